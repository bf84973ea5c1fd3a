/* The jobs that a leader keeps, by id. Leader's thread only. */
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
            copy_text(&v->spec, row->spec) < 0 || copy_text(&v->part.ref, row->ref) < 0 ||
            copy_text(&v->part.identity, row->identity) < 0 ||
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
        v->hold = row->wants_hold;
        v->part.send_before_us = row->send_before_us;
        v->part.changes = v->part.changing = row->changing;
        v->part.hold = row->wants_hold;
        if (copy_texts(v, row) < 0 || (row->index_set && gw_array_load(v, row, &err) < 0))
                goto fail;
        if (gw_spec_load(row->spec, row->spec_len, &spec, &err) == 0) {
                v->job.retry = spec.retry;
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
        free(v->part.ref);
        free(v->part.error);
        free(v->part.identity);
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

/* What of a job waits at the backend, and how much of that pauses keep. */
static size_t waiting_of(const struct live *v, bool whole_arrays, size_t *ret_paused)
{
        if (v->array)
                return gw_array_waiting(v->array, whole_arrays, ret_paused);
        size_t waits = v->job.step != GW_STEP_RUNNING && v->job.reason != GW_REASON_HELD;
        *ret_paused = v->part.paused ? waits : 0;
        return waits;
}

static void list_project(struct gw_buf *list, int64_t project_id, size_t times)
{
        for (size_t i = 0; i < times; i++) {
                if (list->len > 0)
                        gw_buf_char(list, ',');
                gw_buf_int(list, project_id);
        }
}

void gw_live_waiting(const struct live_table *t, bool whole_arrays, size_t max, struct waiting *ret)
{
        *ret = (struct waiting){.projects = GW_BUF_INIT(max), .paused = GW_BUF_INIT(max)};
        for (size_t i = 0; i < LEADER_BUCKETS; i++) {
                for (const struct live *v = t->buckets[i]; v; v = v->next) {
                        size_t paused, waits = waiting_of(v, whole_arrays, &paused);
                        ret->count += waits - paused;
                        list_project(&ret->projects, v->project_id, waits - paused);
                        list_project(&ret->paused, v->project_id, paused);
                }
        }
}

void gw_waiting_done(struct waiting *w)
{
        gw_buf_done(&w->projects);
        gw_buf_done(&w->paused);
}

size_t gw_live_open(const struct live_table *t)
{
        size_t count = 0;
        for (size_t i = 0; i < LEADER_BUCKETS; i++)
                for (const struct live *v = t->buckets[i]; v; v = v->next)
                        count += v->array ? gw_array_open(v->array) : 1;
        return count;
}

/* ---- submissions --------------------------------------------------------------------------- */

struct part *gw_live_part(struct live *v, uint32_t number)
{
        if (v->array)
                return gw_array_part(v->array, number);
        return v->job.submission == number ? &v->part : NULL;
}

struct part *gw_live_next_part(struct live *v, const struct part *p)
{
        if (v->array)
                return p ? LIST_NEXT(p, link) : LIST_FIRST(&v->array->parts);
        return p ? NULL : &v->part;
}

void gw_part_ref(struct part *p, const char *ref)
{
        if (!ref || (p->ref && strcmp(p->ref, ref) == 0))
                return;
        char *copy = strdup(ref);
        if (!copy)
                return;
        free(p->ref);
        p->ref = copy;
        p->changed = true;
}

void gw_part_identity(struct part *p, char *identity)
{
        if (!identity)
                return;
        free(p->identity);
        p->identity = identity;
}

static void plain_submission(const struct live *v, struct gw_submission *ret)
{
        static const struct gw_span plain = {0, 0};
        ret->mark.number = v->job.submission;
        ret->spans = &plain;
        ret->span_count = 1;
        ret->attempt = v->job.attempt;
        ret->accepted = v->job.step == GW_STEP_PENDING || v->job.step == GW_STEP_RUNNING;
        ret->begun = &plain;
        ret->begun_count = v->job.step == GW_STEP_RUNNING;
        ret->cancelling = v->job.stop != GW_REASON_NONE;
}

static void array_submission(const struct live *v, const struct part *p, struct gw_submission *ret)
{
        ret->mark.number = p->number;
        ret->index_set = v->index_set;
        ret->spans = p->spans.items;
        ret->span_count = p->spans.count;
        ret->attempt = p->attempt;
        ret->most_tasks = p->most_tasks;
        ret->accepted = p->state == GW_SUBMISSION_ACCEPTED;
        ret->begun = p->begun.items;
        ret->begun_count = p->begun.count;
        ret->open = p->open.items;
        ret->open_count = p->open.count;
        ret->cancelling = gw_array_unwanted(v->array, p);
}

void gw_live_submission(const struct live *v, const struct part *p, struct gw_submission *ret)
{
        *ret = (struct gw_submission){
                .mark = {.job = v->job.id},
                .spec = v->spec,
                .spec_len = v->spec_len,
                .name = v->name,
                .project = v->project,
                .identity = p->identity,
                .held = v->job.held,
                .ref = p->ref,
                .send_before = p->send_before_us,
        };
        if (v->array)
                array_submission(v, p, ret);
        else
                plain_submission(v, ret);
}
