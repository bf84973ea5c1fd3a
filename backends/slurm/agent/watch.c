/*
 * The role `watch`: reads the table of jobs, and answers what is asked meanwhile. The agent's one
 * thread.
 *
 * It asks the controller for no more than a tenth of the time, whatever a read takes, and no more
 * than once a second.
 */
#include <errno.h>
#include <string.h>

#include "backends/slurm/agent/fields.h"
#include "backends/slurm/agent/libslurm.h"
#include "backends/slurm/agent/offer.h"
#include "backends/slurm/agent/request.h"
#include "backends/slurm/agent/role.h"
#include "backends/slurm/agent/table.h"
#include "backends/slurm/protocol.h"
#include "server/base/clock.h"

#define PAUSE_US GW_SECOND
#define PAUSE_FACTOR 9 /* times what the read took */

struct watch {
        struct gw_agent_cluster *cluster;
        struct gw_agent_channel *channel;
        struct gw_agent_table table;
        struct gw_agent_tally tally; /* of the last table */
        json_int_t no;               /* of the last read that was whole */
        int64_t next_us;             /* monotonic: when the next one begins */
};

static int64_t max(int64_t a, int64_t b)
{
        return a > b ? a : b;
}

/* -- the table ------------------------------------------------------------------------------ */

/* Sets error and text. Returns 0, or -1 when memory is short. */
static int put_error(json_t *object, int error, const char *words)
{
        const char *text = *words ? words : slurm_strerror(error);
        return json_object_set_new(object, "error", json_integer(error)) ||
                               json_object_set_new(object, "text", gw_agent_text(text))
                       ? -1
                       : 0;
}

static int say_error(struct watch *w, int error, const char *words, struct gw_error *err)
{
        json_t *frame = json_object();
        if (put_error(frame, error, words)) {
                json_decref(frame);
                frame = NULL;
        }
        return gw_agent_send(w->channel, frame, err);
}

/* A part of a list, its own list; NULL when memory is short. */
static json_t *part_of(const json_t *list, size_t from, size_t count)
{
        json_t *part = json_array();
        size_t size = json_array_size(list);
        for (size_t i = from; i < size && i - from < count; i++)
                if (json_array_append(part, json_array_get(list, i))) {
                        json_decref(part);
                        return NULL;
                }
        return part;
}

/* All the records, in frames of a bounded size. */
static int say_table(struct watch *w, int64_t asked_at, const json_t *jobs, json_t *gone,
                     struct gw_error *err)
{
        size_t from = 0, count = json_array_size(jobs);
        w->no++;
        do {
                size_t next = from + GW_SLURM_FRAME_RECORDS;
                json_t *frame =
                        json_pack("{s:I, s:I, s:I, s:o, s:O*}", "table", w->no, "asked_at",
                                  (json_int_t)asked_at, "now", (json_int_t)gw_clock_wall_us(),
                                  "jobs", part_of(jobs, from, GW_SLURM_FRAME_RECORDS), "gone",
                                  next < count ? NULL : gone);
                if (frame && next < count)
                        json_object_set_new(frame, "more", json_true());
                if (gw_agent_send(w->channel, frame, err))
                        return -1;
                from = next;
        } while (from < count);
        return 0;
}

/* now: NULL when nothing changed. */
static int say_changes(struct watch *w, int64_t asked_at, const job_info_msg_t *now,
                       struct gw_error *err)
{
        json_t *jobs = NULL, *gone = NULL;
        int rc = 0;
        if (now)
                rc = gw_agent_table_compare(&w->table, now, &jobs, &gone, err);
        else
                jobs = json_array(), gone = json_array();
        if (rc == 0)
                rc = say_table(w, asked_at, jobs, gone, err);
        json_decref(jobs);
        json_decref(gone);
        return rc;
}

/* A read that failed cost the controller nothing, however long it took. */
static void plan_next(struct watch *w, int64_t begun, bool failed)
{
        int64_t ended = gw_clock_mono_us(), took = ended - begun;
        w->next_us = failed ? ended + PAUSE_US : max(begun + PAUSE_US, ended + PAUSE_FACTOR * took);
}

static int read_table(struct watch *w, struct gw_error *err)
{
        char words[GW_AGENT_WORDS];
        job_info_msg_t *now = NULL;
        int64_t asked_at = gw_clock_wall_us(), begun = gw_clock_mono_us();
        int error = gw_agent_cluster_begin(w->cluster);
        if (error == 0)
                error = gw_agent_table_read(&w->table, &now);
        gw_agent_cluster_end(w->cluster, error, words);

        int rc = error ? say_error(w, error, words, err) : say_changes(w, asked_at, now, err);
        if (now && gw_agent_tally_count(&w->tally, now) && rc == 0)
                rc = gw_fail(err, GW_ERR_NOMEM, "no memory to count the jobs");
        if (now)
                slurm_free_job_info_msg(now);
        plan_next(w, begun, error != 0);
        return rc;
}

/* -- requests ------------------------------------------------------------------------------- */

static json_t *offer(struct watch *w, json_int_t id)
{
        char words[GW_AGENT_WORDS];
        json_t *answer =
                json_pack("{s:I, s:I}", "id", id, "asked_at", (json_int_t)gw_clock_wall_us());
        int error = gw_agent_cluster_begin(w->cluster);
        if (error == 0)
                error = gw_agent_offer(&w->tally, answer);
        gw_agent_cluster_end(w->cluster, error, words);
        if (error == 0)
                return answer;
        json_decref(answer);
        answer = json_pack("{s:I}", "id", id);
        if (answer && put_error(answer, error, words) == 0)
                return answer;
        json_decref(answer);
        return NULL;
}

static int serve(struct watch *w, const json_t *request, struct gw_error *err)
{
        json_int_t id;
        const char *op;
        if (gw_agent_request_head(request, &id, &op, err))
                return -1;
        if (strcmp(op, "know") == 0)
                return gw_agent_table_know(&w->table, json_object_get(request, "jobs"), err);
        if (strcmp(op, "offer") != 0)
                return gw_fail(err, GW_ERR_INVALID, "'watch' knows no op '%.20s'", op);
        return gw_agent_send(w->channel, offer(w, id), err);
}

static int until_next(const struct watch *w)
{
        return (int)(max(0, w->next_us - gw_clock_mono_us() + 999) / 1000);
}

static int serve_until_next(struct watch *w, struct gw_error *err)
{
        for (;;) {
                json_t *request;
                if (gw_agent_receive(w->channel, until_next(w), &request, err))
                        return -1;
                if (!request)
                        return 0;
                int rc = serve(w, request, err);
                json_decref(request);
                if (rc)
                        return -1;
        }
}

int gw_agent_watch(struct gw_agent_cluster *cluster, struct gw_agent_channel *channel,
                   struct gw_error *err)
{
        struct watch w = {.cluster = cluster, .channel = channel};
        gw_agent_table_init(&w.table);
        while (read_table(&w, err) == 0 && serve_until_next(&w, err) == 0)
                ;
        gw_agent_table_done(&w.table);
        gw_agent_tally_done(&w.tally);
        return -1;
}
