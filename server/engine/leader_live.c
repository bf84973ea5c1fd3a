/* The jobs of a leader that have an open submission, by id. Leader's thread only. */
#include "server/engine/leader_state.h"

#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/log.h"
#include "server/model/spec.h"

static struct live **bucket_of(const struct live_table *t, struct gw_id job)
{
        uint32_t hash;
        /* The last bytes of a version 7 id are random. */
        memcpy(&hash, job.bytes + 12, sizeof hash);
        return (struct live **)&t->buckets[hash % LEADER_BUCKETS];
}

static int copy_text(char **ret, const char *text)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -1 : 0;
}

static int copy_texts(struct live *v, const struct gw_record_row *row)
{
        v->spec_len = row->spec_len;
        if (copy_text(&v->project, row->project) < 0 || copy_text(&v->name, row->name) < 0 ||
            copy_text(&v->spec, row->spec) < 0 || copy_text(&v->ref, row->ref) < 0 ||
            copy_text(&v->identity, row->identity) < 0 ||
            copy_text(&v->index_set, row->index_set) < 0)
                return -1;
        return 0;
}

struct live *gw_live_new(const struct gw_record_row *row)
{
        struct gw_error err = {0};
        struct gw_spec spec = {0};
        struct live *v = calloc(1, sizeof *v);
        if (!v)
                return NULL;
        v->job = row->job;
        v->project_id = row->project_id;
        v->user_id = row->user_id;
        v->version = row->version;
        v->send_before_us = row->send_before_us;
        if (copy_texts(v, row) < 0 || (row->index_set && gw_array_load(v, row, &err) < 0))
                goto fail;
        if (gw_spec_load(row->spec, row->spec_len, &spec, &err) == 0) {
                v->job.retry = spec.retry;
                if (v->array)
                        v->array->max_parallel = spec.max_parallel;
                gw_spec_done(&spec);
        } else if (err.code == GW_ERR_NOMEM) {
                goto fail;
        } else {
                gw_log_error("leader.bad_spec", &err);
        }
        return v;
fail:
        gw_live_free(v);
        return NULL;
}

void gw_live_free(struct live *v)
{
        if (!v)
                return;
        free(v->project);
        free(v->name);
        free(v->spec);
        free(v->ref);
        free(v->identity);
        free(v->index_set);
        gw_array_free(v->array);
        free(v);
}

struct live *gw_live_find(const struct live_table *t, struct gw_id job)
{
        struct live *v = *bucket_of(t, job);
        while (v && !gw_id_equal(v->job.id, job))
                v = v->next;
        return v;
}

void gw_live_keep(struct live_table *t, struct live *v)
{
        struct live **bucket = bucket_of(t, v->job.id);
        v->next = *bucket;
        *bucket = v;
        v->kept = true;
        t->count++;
}

void gw_live_drop(struct live_table *t, struct live *v)
{
        struct live **p = bucket_of(t, v->job.id);
        while (*p != v)
                p = &(*p)->next;
        *p = v->next;
        v->kept = false;
        t->count--;
}

void gw_live_clear(struct live_table *t)
{
        for (size_t i = 0; i < LEADER_BUCKETS; i++) {
                while (t->buckets[i]) {
                        struct live *v = t->buckets[i];
                        t->buckets[i] = v->next;
                        gw_live_free(v);
                }
        }
        t->count = 0;
}

/* How much of the window a job fills. */
static size_t waiting_of(const struct live *v)
{
        if (v->array)
                return gw_array_waiting(v->array);
        return v->job.step != GW_STEP_RUNNING && v->job.reason != GW_REASON_HELD;
}

size_t gw_live_waiting(const struct live_table *t, struct gw_buf *projects)
{
        size_t count = 0;
        for (size_t i = 0; i < LEADER_BUCKETS; i++) {
                for (const struct live *v = t->buckets[i]; v; v = v->next) {
                        for (size_t n = waiting_of(v); n > 0; n--) {
                                if (count++)
                                        gw_buf_char(projects, ',');
                                gw_buf_int(projects, v->project_id);
                        }
                }
        }
        return count;
}

size_t gw_live_open(const struct live_table *t)
{
        size_t count = 0;
        for (size_t i = 0; i < LEADER_BUCKETS; i++)
                for (const struct live *v = t->buckets[i]; v; v = v->next)
                        count += v->array ? gw_array_open(v->array) : 1;
        return count;
}

void gw_live_submission(const struct live *v, struct gw_submission *ret)
{
        static const struct gw_span plain = {0, 0};
        *ret = (struct gw_submission){
                .mark = {v->job.id, v->job.submission},
                .spec = v->spec,
                .spec_len = v->spec_len,
                .name = v->name,
                .project = v->project,
                .spans = &plain,
                .span_count = 1,
                .identity = v->identity,
                .attempt = v->job.attempt,
                .held = v->job.held,
                .ref = v->ref,
                .send_before = v->send_before_us,
                .accepted = v->job.step == GW_STEP_PENDING || v->job.step == GW_STEP_RUNNING,
                .cancelling = v->job.stop != GW_REASON_NONE,
        };
}
