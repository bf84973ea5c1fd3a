/*
 * The table of jobs. The agent's one thread.
 *
 * slurm_load_jobs() gives everything or "unchanged". Of each job of ours a digest is kept, in a
 * hash table that is made anew by each comparison: what is in the old one and not in the new is
 * gone.
 */
#include "backends/slurm/agent/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/slurm/agent/fields.h"
#include "backends/slurm/protocol.h"
#include "server/base/cleanup.h"

struct gw_agent_known {
        uint32_t job, uid;
        uint64_t digest, about; /* of the record; of what was made of the job */
};

#define FIELD(name, kind, member) GW_AGENT_FIELD(name, kind, slurm_job_info_t, member)

static const struct gw_agent_field fields[] = {
        FIELD("job", NUMBER, job_id),
        FIELD("array", NUMBER, array_job_id),
        FIELD("task", INDEX, array_task_id),
        FIELD("tasks", TEXT, array_task_str),
        FIELD("state", NUMBER, job_state),
        FIELD("reason", NUMBER, state_reason),
        FIELD("desc", TEXT, state_desc),
        FIELD("exit", NUMBER, exit_code),
        FIELD("derived", NUMBER, derived_ec),
        FIELD("restart", NUMBER, restart_cnt),
        FIELD("requeue", NUMBER, requeue), /* whether it may be */
        FIELD("uid", NUMBER, user_id),
        FIELD("comment", TEXT, comment),
        FIELD("node", TEXT, nodes),
        FIELD("submit", NUMBER, submit_time),
        FIELD("eligible", NUMBER, eligible_time),
        FIELD("start", NUMBER, start_time),
        FIELD("end", NUMBER, end_time),
        FIELD("preempt", NUMBER, preempt_time),
        FIELD("priority", NUMBER, priority),
};

/* What does not change by itself. */
static const struct gw_agent_field about_fields[] = {
        FIELD("partition", TEXT, partition),
        FIELD("account", TEXT, account),
        FIELD("qos", TEXT, qos),
        FIELD("reservation", TEXT, resv_name),
        FIELD("time_limit_s", MINUTES, time_limit),
        FIELD("nodes", LIMIT, num_nodes),
        FIELD("tasks", LIMIT, num_tasks),
        FIELD("cpus", LIMIT, num_cpus),
        FIELD("memory_mib", MEMORY, pn_min_memory),
        FIELD("memory_per_cpu_mib", MEMORY_PER_CPU, pn_min_memory),
        FIELD("tres", TEXT, tres_req_str),
        FIELD("tres_allocated", TEXT, tres_alloc_str),
        FIELD("features", TEXT, features),
        FIELD("nice", NICE, nice),
        FIELD("work_dir", TEXT, work_dir),
        FIELD("stdout", TEXT, std_out),
        FIELD("stderr", TEXT, std_err),
};

void gw_agent_table_init(struct gw_agent_table *t)
{
        *t = (struct gw_agent_table){0};
}

void gw_agent_table_done(struct gw_agent_table *t)
{
        free(t->known);
}

/* -- the jobs that were said --------------------------------------------------------------- */

/* Where a job is, or the free place where it would be. There always is a free one. */
static struct gw_agent_known *place_of(struct gw_agent_known *known, size_t places, uint32_t job)
{
        size_t at = job * UINT32_C(2654435761) & (places - 1);
        while (known[at].job && known[at].job != job)
                at = (at + 1) & (places - 1);
        return &known[at];
}

/* A power of two; at least half of them stay free. */
static size_t places_for(size_t count)
{
        size_t places = 16;
        while (places < count * 2)
                places *= 2;
        return places;
}

static const struct gw_agent_known *find(const struct gw_agent_table *t, uint32_t job)
{
        if (t->places == 0 || job == 0)
                return NULL;
        const struct gw_agent_known *place = place_of(t->known, t->places, job);
        return place->job ? place : NULL;
}

/* A user may rewrite the comment of his job: what was said once is ours for as long as it is there,
 * and so are the tasks that leave the record of its array. */
static bool was_ours(const struct gw_agent_table *t, const slurm_job_info_t *job)
{
        const struct gw_agent_known *known = find(t, job->job_id);
        if (!known)
                known = find(t, job->array_job_id);
        return known && known->uid == job->user_id;
}

static bool is_marked(const char *comment)
{
        size_t len = strlen(GW_SLURM_COMMENT);
        char text[GW_MARK_TEXT];
        struct gw_mark mark;
        if (!comment || strncmp(comment, GW_SLURM_COMMENT, len) != 0)
                return false;
        size_t end = strcspn(comment + len, " ");
        if (end >= sizeof text)
                return false;
        memcpy(text, comment + len, end);
        text[end] = '\0';
        return gw_mark_parse(text, &mark) == 0;
}

/* -- what another agent said ---------------------------------------------------------------- */

static int read_pair(const json_t *pair, uint32_t *ret_job, uint32_t *ret_uid)
{
        json_int_t job = json_integer_value(json_array_get(pair, 0));
        json_int_t uid = json_integer_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || job < 1 || job >= NO_VAL || uid < 0 || uid > UINT32_MAX)
                return -1;
        *ret_job = (uint32_t)job;
        *ret_uid = (uint32_t)uid;
        return 0;
}

/* A digest of 0: what is found is said. */
static int add_known(struct gw_agent_table *t, const json_t *jobs, struct gw_error *err)
{
        size_t i;
        const json_t *pair;
        json_array_foreach(jobs, i, pair)
        {
                uint32_t job, uid;
                if (read_pair(pair, &job, &uid))
                        return gw_fail_at(err, GW_ERR_INVALID, "jobs", "must be [number, uid]");
                struct gw_agent_known *place = place_of(t->known, t->places, job);
                if (!place->job)
                        *place = (struct gw_agent_known){.job = job, .uid = uid};
        }
        return 0;
}

/* Room for all, and as many free places. */
static int make_room(struct gw_agent_table *t, size_t more)
{
        size_t count = more;
        for (size_t i = 0; i < t->places; i++)
                count += t->known[i].job != 0;
        struct gw_agent_known *known = NULL;
        size_t places = places_for(count);
        if (places <= t->places)
                return 0;
        known = calloc(places, sizeof *known);
        if (!known)
                return -1;
        for (size_t i = 0; i < t->places; i++)
                if (t->known[i].job)
                        *place_of(known, places, t->known[i].job) = t->known[i];
        free(t->known);
        t->known = known;
        t->places = places;
        return 0;
}

int gw_agent_table_know(struct gw_agent_table *t, const json_t *jobs, struct gw_error *err)
{
        if (!json_is_array(jobs))
                return gw_fail_at(err, GW_ERR_INVALID, "jobs", "must be a list");
        if (make_room(t, json_array_size(jobs)))
                return gw_fail(err, GW_ERR_NOMEM, "no memory for the table of jobs");
        t->last_update = 0;
        return add_known(t, jobs, err);
}

/* -- reading and comparing ----------------------------------------------------------------- */

int gw_agent_table_read(struct gw_agent_table *t, job_info_msg_t **ret)
{
        *ret = NULL;
        if (slurm_load_jobs(t->last_update, ret, SHOW_ALL) == 0)
                return 0;
        int error = errno;
        *ret = NULL;
        if (error == SLURM_NO_CHANGE_IN_DATA)
                return 0;
        t->last_update = 0;
        return error ? error : SLURM_ERROR;
}

/* libslurm cuts a list of tasks where it was not told not to. */
static bool is_whole(const slurm_job_info_t *job)
{
        size_t len = job->array_task_str ? strlen(job->array_task_str) : 0;
        return len < 3 || !strstr(job->array_task_str + len - 3, "...");
}

json_t *gw_agent_table_record(const slurm_job_info_t *job)
{
        json_t *record = is_whole(job) ? json_object() : NULL;
        if (record && gw_agent_fields_put(fields, GW_COUNT(fields), job, record) == 0)
                return record;
        json_decref(record);
        return NULL;
}

static int put_about(const slurm_job_info_t *job, json_t *record)
{
        json_t *about = json_object();
        return json_object_set_new(record, "about", about) ||
                               gw_agent_fields_put(about_fields, GW_COUNT(about_fields), job, about)
                       ? -1
                       : 0;
}

/* about: that too. */
static int say(const slurm_job_info_t *job, bool about, json_t *jobs, struct gw_error *err)
{
        json_t *record = gw_agent_table_record(job);
        if (json_array_append_new(jobs, record) || (about && put_about(job, record)))
                return gw_fail(err, GW_ERR_NOMEM, "no memory for the table of jobs");
        return 0;
}

static int compare_job(const struct gw_agent_table *before, struct gw_agent_table *after,
                       const slurm_job_info_t *job, json_t *jobs, struct gw_error *err)
{
        if (!is_marked(job->comment) && !was_ours(before, job))
                return 0;
        if (!is_whole(job))
                return gw_fail(err, GW_ERR_INTERNAL, "libslurm cut the tasks of job %u",
                               job->job_id);
        const struct gw_agent_known *old = find(before, job->job_id);
        struct gw_agent_known *place = place_of(after->known, after->places, job->job_id);
        *place = (struct gw_agent_known){
                .job = job->job_id,
                .uid = job->user_id,
                .digest = gw_agent_fields_digest(fields, GW_COUNT(fields), job),
                .about = gw_agent_fields_digest(about_fields, GW_COUNT(about_fields), job),
        };
        bool about = !old || old->about != place->about;
        return about || old->digest != place->digest ? say(job, about, jobs, err) : 0;
}

static int say_gone(const struct gw_agent_table *before, const struct gw_agent_table *after,
                    json_t *gone, struct gw_error *err)
{
        for (size_t i = 0; i < before->places; i++) {
                uint32_t job = before->known[i].job;
                if (job && !find(after, job) && json_array_append_new(gone, json_integer(job)))
                        return gw_fail(err, GW_ERR_NOMEM, "no memory for the table of jobs");
        }
        return 0;
}

static int compare(const struct gw_agent_table *before, struct gw_agent_table *after,
                   const job_info_msg_t *now, json_t *jobs, json_t *gone, struct gw_error *err)
{
        if (!after->known || !jobs || !gone)
                return gw_fail(err, GW_ERR_NOMEM, "no memory for the table of jobs");
        for (uint32_t i = 0; i < now->record_count; i++)
                if (compare_job(before, after, &now->job_array[i], jobs, err))
                        return -1;
        return say_gone(before, after, gone, err);
}

int gw_agent_table_compare(struct gw_agent_table *t, const job_info_msg_t *now, json_t **ret_jobs,
                           json_t **ret_gone, struct gw_error *err)
{
        struct gw_agent_table after = {.places = places_for(now->record_count),
                                       .last_update = now->last_update};
        after.known = calloc(after.places, sizeof *after.known);
        json_t *jobs = json_array(), *gone = json_array();
        if (compare(t, &after, now, jobs, gone, err)) {
                json_decref(jobs);
                json_decref(gone);
                free(after.known);
                return -1;
        }
        free(t->known);
        *t = after;
        *ret_jobs = jobs;
        *ret_gone = gone;
        return 0;
}
