/*
 * Recording a new job. Runs on the exchange's loop thread.
 *
 * An insert that gives no row was either made before, when its answer was lost and it was
 * repeated, or its key belongs to another job; the record tells which. One without a key can
 * only have been made before. The outcome is never guessed: when the record cannot be asked, the
 * client is told that it is unknown.
 */
#include "routes/submit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "routes/job_json.h"
#include "server/base/clock.h"
#include "server/base/crash.h"

/* ---- prepare: where it goes ---------------------------------------------------------------- */

static void list_names(struct gw_call *call, char *text, size_t size)
{
        const struct gw_principal *p = call->principal;
        size_t len = 0;
        text[0] = '\0';
        for (size_t i = 0; i < p->count && len < size; i++)
                len += (size_t)snprintf(text + len, size - len, "%s%s", i ? ", " : "",
                                        p->memberships[i].project);
}

static void fault_project(struct gw_call *call, const char *name)
{
        char names[GW_ERROR_MESSAGE / 2];
        list_names(call, names, sizeof names);
        if (call->principal->count == 0)
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "/project",
                              "you are a member of no project");
        else if (name)
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "/project",
                              "there is no project \"%s\" for you; yours: %s", name, names);
        else
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "/project",
                              "name one of your projects: %s", names);
}

static const struct gw_membership *find_project(struct gw_call *call, const char *name)
{
        const struct gw_principal *p = call->principal;
        const struct gw_membership *m = NULL;
        if (name)
                m = gw_principal_project(p, name);
        else if (p->count == 1)
                m = &p->memberships[0];
        if (!m)
                fault_project(call, name);
        return m;
}

static void fault_backend(struct gw_call *call, const char *name)
{
        char names[GW_ERROR_MESSAGE / 2] = "none";
        size_t len = 0;
        for (size_t i = 0; i < call->service->backend_count && len < sizeof names; i++)
                len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "",
                                        call->service->backends[i].backend->name);
        if (name)
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "/backend",
                              "there is no backend \"%s\"; there is: %s", name, names);
        else
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE, "/backend",
                              "the project has no default backend; name one of: %s", names);
}

static struct gw_backend *find_backend(struct gw_call *call, const struct gw_membership *m,
                                       const char *name)
{
        if (!name && m && m->default_backend[0])
                name = m->default_backend;
        struct gw_backend *b = name ? gw_service_backend(call->service, name) : NULL;
        if (!b && (m || name))
                fault_backend(call, name);
        return b;
}

struct gw_backend *gw_submit_backend(struct gw_call *call, const char *project, const char *backend)
{
        return find_backend(call, find_project(call, project), backend);
}

/* The answer shows what was chosen. */
static int put_choice(json_t *spec, const char *member, const char *choice)
{
        if (!choice || json_object_get(spec, member))
                return 0;
        return json_object_set_new(spec, member, json_string(choice));
}

static int choose(struct gw_call *call, struct gw_submit *s, json_t *spec)
{
        s->membership = find_project(call, json_string_value(json_object_get(spec, "project")));
        s->backend = find_backend(call, s->membership,
                                  json_string_value(json_object_get(spec, "backend")));
        return put_choice(spec, "project", s->membership ? s->membership->project : NULL) ||
                               put_choice(spec, "backend", s->backend ? s->backend->name : NULL)
                       ? -1
                       : 0;
}

/* ---- prepare: what it is ------------------------------------------------------------------- */

/* An item of a list that was begun. */
static void write_warning(struct gw_buf *out, const char *rule, const char *pointer,
                          const char *detail)
{
        gw_buf_str(out,
                   gw_buf_ok(out) && out->data[out->len - 1] == '[' ? "{\"rule\":" : ",{\"rule\":");
        gw_buf_json_str(out, rule);
        gw_buf_str(out, ",\"pointer\":");
        gw_buf_json_str(out, pointer);
        gw_buf_str(out, ",\"detail\":");
        gw_buf_json_str(out, detail);
        gw_buf_char(out, '}');
}

static void write_warnings(struct gw_buf *out, const struct gw_warnings *w)
{
        gw_buf_char(out, '[');
        for (size_t i = 0; i < w->count; i++)
                write_warning(out, w->items[i].rule, w->items[i].pointer, w->items[i].detail);
        gw_buf_char(out, ']');
}

void gw_submit_warn(struct gw_submit *s, const char *rule, const char *pointer, const char *detail)
{
        if (!gw_buf_ok(&s->warnings))
                return;
        s->warnings.len--; /* its last bracket */
        write_warning(&s->warnings, rule, pointer, detail);
        gw_buf_char(&s->warnings, ']');
        s->warned = true;
}

struct gw_submission gw_submit_submission(const struct gw_submit *s)
{
        const json_t *array = json_object_get(s->spec.json, "array");
        return (struct gw_submission){
                .max_parallel =
                        (uint32_t)json_integer_value(json_object_get(array, "max_parallel")),
                .mark = {s->id, 1},
                .spec = s->spec.text,
                .spec_len = s->spec.text_len,
                .json = s->spec.json,
                .name = s->spec.name,
                .project = s->membership->project,
                .index_set = s->spec.is_array ? s->indices.data : NULL,
                .spans = &s->whole,
                .span_count = 1,
                .attempt = 1,
                .held = s->spec.hold,
        };
}

/* Whether the backend can carry it at all: a rule that needs no cluster. */
static bool is_carried(struct gw_submit *s, struct gw_error *err)
{
        struct gw_submission submission = gw_submit_submission(s);
        return s->backend->type->render(s->backend, &submission, NULL, err) == 0;
}

/* The largest array is the operator's to say: the model knows only what the record can hold. */
static void check_array(struct gw_call *call, const struct gw_spec *spec)
{
        if (spec->task_count > call->service->max_array)
                gw_faults_add(call->faults, GW_ERR_UNPROCESSABLE,
                              spec->matrix ? "/array/matrix" : "/array/indices",
                              "gives %" PRIu32 " tasks: this gateway takes at most %" PRIu32,
                              spec->task_count, call->service->max_array);
}

bool gw_submit_prepare(struct gw_call *call, struct gw_submit *s, json_t *spec,
                       struct gw_error *err)
{
        struct gw_warnings warnings;
        gw_warnings_init(&warnings);
        gw_buf_init(&s->warnings, 2 * sizeof warnings * 7); /* each byte escaped; and others' */
        s->now_us = gw_clock_wall_us();
        s->id = gw_id_new(s->now_us);
        if (choose(call, s, spec)) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return false;
        }
        gw_spec_resolve(spec, s->backend && s->backend->type->reads_scripts, s->now_us, &s->spec,
                        &warnings, call->faults);
        check_array(call, &s->spec);
        if (gw_faults_any(call->faults) ||
            gw_policy_check(call->principal, s->membership, GW_VERB_SUBMIT, true, err))
                return false;
        s->backend->type->advise(s->backend, &s->spec, &warnings);
        write_warnings(&s->warnings, &warnings);
        s->warned = warnings.count > 0;
        s->whole = (struct gw_span){0, s->spec.task_count - 1};
        gw_buf_init(&s->indices, GW_MAX_INDEX_TEXT + 1);
        if (s->spec.is_array)
                gw_indexset_format(&s->spec.indices, &s->indices);
        return is_carried(s, err);
}

enum gw_next gw_submit_refuse(struct gw_call *call, const struct gw_error *err)
{
        if (gw_faults_any(call->faults))
                return gw_call_fail_faults(call, call->faults);
        return gw_call_fail(call, err);
}

/* ---- the command --------------------------------------------------------------------------- */

static int64_t after(int64_t now_us, int64_t seconds)
{
        return seconds > 0 ? now_us + seconds * GW_SECOND : 0;
}

struct gw_db_command *gw_submit_command(struct gw_call *call, struct gw_submit *s,
                                        const uint8_t digest[32])
{
        const struct gw_spec *spec = &s->spec;
        struct gw_db_job_insert *c = &s->insert;
        c->id = s->id;
        c->project_id = s->membership->project_id;
        c->user_id = call->principal->user_id;
        c->backend = s->backend->name;
        c->name = spec->name;
        c->labels = spec->labels;
        c->cpus_milli = (int32_t)spec->cpus_milli;
        c->memory = spec->memory_bytes;
        c->gpus = spec->gpus;
        c->priority = spec->priority;
        c->held = spec->hold;
        c->not_before_us = spec->not_before_us > s->now_us ? spec->not_before_us : 0;
        c->start_deadline_us = after(s->now_us, spec->start_deadline_s);
        c->deadline_us = after(s->now_us, spec->deadline_s);
        c->retry_of = s->retry_of;
        c->spec = spec->text;
        c->spec_len = spec->text_len;
        c->index_set = spec->is_array ? s->indices.data : NULL;
        c->task_count = (int32_t)spec->task_count;
        c->key = s->key;
        c->in_order = s->in_order;
        c->request_id = s->request_id;
        memcpy(c->sha256, digest, sizeof c->sha256);
        gw_db_job_insert_init(c);
        gw_crash_point("submit.received");
        return &c->cmd;
}

void gw_submit_pack(struct gw_submit *s)
{
        gw_spec_pack(&s->spec);
        gw_buf_done(&s->warnings);
        s->membership = NULL;
}

size_t gw_submit_held(const struct gw_submit *s)
{
        const struct gw_spec *spec = &s->spec;
        return spec->text_len + strlen(spec->name) + (spec->labels ? strlen(spec->labels) : 0) +
               s->indices.cap;
}

/* ---- its outcome --------------------------------------------------------------------------- */

void gw_submit_lose(const struct gw_submit *s, const struct gw_error *why, struct gw_error *err)
{
        static const char gone[] = "the database went away before it answered: the job may be "
                                   "recorded or not; ";
        if (s->key)
                gw_fail(err, why->code, "%srepeat the request with the same %s", gone,
                        s->key_field);
        else
                gw_fail(err, why->code,
                        "%slook at your jobs before you submit it again, and send an %s next time",
                        gone, s->key_field);
}

static enum gw_submit_outcome fail(const struct gw_submit *s, const struct gw_error *why,
                                   struct gw_error *err)
{
        if (why->code == GW_ERR_UNAVAILABLE)
                gw_submit_lose(s, why, err);
        else
                *err = *why;
        return GW_SUBMIT_REFUSED;
}

static enum gw_submit_outcome settle(struct gw_submit *s)
{
        s->stage = GW_SUBMIT_SETTLES;
        s->settle.id = s->id;
        s->settle.project_id = s->insert.project_id;
        s->settle.user_id = s->insert.user_id;
        s->settle.key = s->insert.key;
        gw_db_job_settle_init(&s->settle);
        return GW_SUBMIT_UNSETTLED;
}

static enum gw_submit_outcome take_insert(struct gw_submit *s, struct gw_error *err)
{
        if (s->insert.cmd.error.code != GW_OK)
                return fail(s, &s->insert.cmd.error, err);
        return s->insert.cmd.rows > 0 || !s->key ? GW_SUBMIT_RECORDED : settle(s);
}

/* The key belongs to another request's job. */
static enum gw_submit_outcome replay(struct gw_submit *s, struct gw_error *err)
{
        if (memcmp(s->settle.sha256, s->insert.sha256, sizeof s->insert.sha256) != 0) {
                gw_fail(err, GW_ERR_IDEMPOTENCY_MISMATCH, "this %s was used with another body",
                        s->key_field);
                return GW_SUBMIT_REFUSED;
        }
        if (!s->settle.exists) {
                gw_fail(err, GW_ERR_GONE, "the job made with this %s was deleted", s->key_field);
                return GW_SUBMIT_REFUSED;
        }
        s->id = s->settle.holder;
        return GW_SUBMIT_REPLAYED;
}

static enum gw_submit_outcome take_settled(struct gw_submit *s, struct gw_error *err)
{
        const struct gw_db_job_settle *c = &s->settle;
        if (c->cmd.error.code != GW_OK)
                return fail(s, &c->cmd.error, err);
        if (c->exists && gw_id_equal(c->holder, s->id))
                return GW_SUBMIT_RECORDED;
        if (c->has_key)
                return replay(s, err);
        /* The key's seven days ended between the two statements. */
        gw_fail(err, GW_ERR_UNAVAILABLE, "the %s has just expired; try again", s->key_field);
        return GW_SUBMIT_REFUSED;
}

enum gw_submit_outcome gw_submit_take(struct gw_submit *s, struct gw_error *err)
{
        return s->stage == GW_SUBMIT_INSERTS ? take_insert(s, err) : take_settled(s, err);
}

/* ---- one job as the answer ----------------------------------------------------------------- */

enum gw_next gw_submit_post(struct gw_call *call, struct gw_submit *s, const uint8_t digest[32])
{
        s->key_field = "Idempotency-Key";
        s->key = gw_call_header(call, s->key_field);
        s->request_id = gw_exchange_request_id(call->exchange);
        return gw_call_write(call, gw_submit_command(call, s, digest));
}

/* What was recorded, without asking for it. */
static void show_new(struct gw_call *call, struct gw_submit *s)
{
        const struct gw_db_job_insert *c = &s->insert;
        char counts[32];
        snprintf(counts, sizeof counts, "[%u,0,0,0,0,0]", s->spec.task_count);
        struct gw_job_row row = {
                .id = s->id,
                .project = s->membership->project,
                .owner = call->principal->user,
                .backend = c->backend,
                .name = c->name,
                .labels = c->labels,
                .version = 1,
                .state = GW_QUEUED,
                .reason = c->held ? "held" : (c->not_before_us ? "not_before" : NULL),
                .exit_code = -1,
                .task_count = (int32_t)s->spec.task_count,
                .counts = s->spec.is_array ? counts : NULL,
                .held = c->held,
                .retry_of = c->retry_of,
                .spec = c->spec,
                .spec_len = c->spec_len,
        };
        gw_buf_init(&s->read.out, GW_MAX_JOB_JSON);
        gw_job_json(&s->read.out, &row, GW_JOB_ALL_FIELDS);
}

static enum gw_next read_job(struct gw_call *call, struct gw_submit *s)
{
        s->stage = GW_SUBMIT_READS;
        s->read.id = s->id;
        s->read.write = gw_job_json;
        s->read.fields = GW_JOB_ALL_FIELDS;
        if (s->waits) {
                s->read.until = gw_job_until(call);
                s->read.deadline_us = gw_call_deadline(call);
        }
        return gw_job_read_begin(call, &s->read);
}

/* The job is ours and recorded. */
static bool show_or_wait(struct gw_call *call, struct gw_submit *s, enum gw_next *ret_next)
{
        gw_crash_point("submit.committed");
        if (s->waits && gw_call_deadline(call)) {
                *ret_next = read_job(call, s);
                return false;
        }
        show_new(call, s);
        return true;
}

static enum gw_next post_settle(struct gw_call *call, struct gw_submit *s)
{
        struct gw_error why = {0}, err = {0};
        s->settle.cmd.work.home = gw_call_home(call);
        s->settle.cmd.work.owner = call->exchange;
        if (gw_db_channel_post(call->service->writer, &s->settle.cmd, &why) == 0)
                return GW_NEXT_WAIT;
        gw_submit_lose(s, &why, &err);
        return gw_call_fail(call, &err);
}

bool gw_submit_resume(struct gw_call *call, struct gw_submit *s, enum gw_next *ret_next)
{
        struct gw_error err = {0};
        if (s->stage == GW_SUBMIT_READS)
                return gw_job_read_resume(call, &s->read, ret_next);
        switch (gw_submit_take(s, &err)) {
        case GW_SUBMIT_RECORDED:
                return show_or_wait(call, s, ret_next);
        case GW_SUBMIT_REPLAYED:
                s->replayed = true;
                *ret_next = read_job(call, s);
                break;
        case GW_SUBMIT_UNSETTLED:
                *ret_next = post_settle(call, s);
                break;
        case GW_SUBMIT_REFUSED:
                *ret_next = gw_call_fail(call, &err);
                break;
        }
        return false;
}

/* ---- the answer ---------------------------------------------------------------------------- */

enum gw_next gw_submit_answer(struct gw_call *call, struct gw_submit *s, unsigned status,
                              const char *extra)
{
        char path[sizeof "/v1/jobs/" + GW_ID_TEXT] = "/v1/jobs/";
        struct gw_buf *json = &s->read.out;
        if (gw_buf_ok(json) && *extra) {
                json->len--; /* its last brace */
                gw_buf_str(json, extra);
                gw_buf_char(json, '}');
        }
        gw_call_json(call, status, json);
        if (gw_exchange_status(call->exchange) != status)
                return GW_NEXT_RESPOND;
        gw_id_format(s->id, path + strlen(path));
        gw_respond_header(call->exchange, "Location", path);
        if (s->replayed)
                gw_respond_header(call->exchange, "Idempotent-Replayed", "true");
        return GW_NEXT_RESPOND;
}

void gw_submit_abandon(struct gw_call *call, struct gw_submit *s)
{
        if (s->stage == GW_SUBMIT_READS)
                gw_job_read_abandon(call, &s->read);
}

void gw_submit_done(struct gw_submit *s)
{
        gw_job_read_done(&s->read);
        gw_buf_done(&s->warnings);
        gw_buf_done(&s->indices);
        gw_spec_done(&s->spec);
}
