/* The search for an attempt's output. The exchange's loop thread; rows are taken on the
 * database's. */
#include "routes/log_find.h"

#include <string.h>
#include <unistd.h>

#include "routes/shared.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

enum gw_next gw_log_find_begin(struct gw_call *call, struct gw_log_find *f)
{
        gw_log_find_done(f);
        f->source = (struct gw_log_source){.fd = -1};
        f->error = (struct gw_error){0};
        f->submission = 0;
        f->running = f->ended = f->overwritten = false;
        f->kept = false;
        f->omitted = 0;
        f->node[0] = '\0';
        f->stage = LOG_FIND_READ;
        f->read.id = f->id;
        f->read.write = f->placed ? NULL : gw_task_indices_write;
        return gw_job_read_begin(call, &f->read);
}

bool gw_log_find_is_last(const struct gw_log_find *f)
{
        return f->over && f->attempt >= f->latest;
}

static bool nothing_yet(struct gw_log_find *f)
{
        f->found = f->over || f->attempt < f->latest ? GW_LOG_NEVER : GW_LOG_NOT_YET;
        return true;
}

/* A run may be recorded as started before its supervisor has made the file. */
static bool no_file_yet(struct gw_log_find *f)
{
        nothing_yet(f);
        if (f->found == GW_LOG_NOT_YET && f->running)
                f->found = GW_LOG_SOON;
        return true;
}

static bool is_away(struct gw_log_find *f, const struct gw_error *error)
{
        f->error = *error;
        f->found = GW_LOG_AWAY;
        return true;
}

bool gw_log_find_is_passing(const struct gw_error *error)
{
        return error->code == GW_ERR_UNAVAILABLE || error->code == GW_ERR_OVERLOADED;
}

/* One that was ended while it waited has a row too, and nothing at its backend. */
static bool ended_unstarted(const struct gw_attempt_row *row)
{
        return row->ended_us != 0 && row->started_us == 0;
}

static void take_attempt(void *arg, const struct gw_attempt_row *row)
{
        struct gw_log_find *f = arg;
        if (row->no > f->attempt && row->submission == f->submission && row->started_us != 0)
                f->overwritten = true; /* they come in order */
        if (row->no != f->attempt || ended_unstarted(row))
                return;
        f->submission = row->submission;
        f->running = row->started_us != 0 && row->ended_us == 0;
        f->ended = row->ended_us != 0;
        gw_str_copy(f->node, sizeof f->node, row->node ? row->node : "");
}

/* The steps return whether the search is over; what else there is to do is in *ret_next. */
static bool ask_attempts(struct gw_call *call, struct gw_log_find *f, enum gw_next *ret_next)
{
        int32_t latest = f->latest;
        bool later = f->behind > 0 || f->in_order;
        if (later)
                f->attempt = f->behind + 1;
        else
                f->attempt = (int32_t)gw_call_int(call, "attempt", latest > 0 ? latest : 1);
        if (!later && f->attempt > latest && latest > 0) {
                *ret_next = gw_call_fail_code(call, GW_ERR_NOT_FOUND, "there is no such attempt");
                return false;
        }
        if (f->attempt > latest)
                return nothing_yet(f);
        f->stage = LOG_FIND_ATTEMPTS;
        f->attempts = (struct gw_db_attempts){
                .job = f->id, .ordinal = (int32_t)f->ordinal, .each = take_attempt, .arg = f};
        gw_db_attempts_init(&f->attempts);
        *ret_next = gw_call_read(call, &f->attempts.cmd);
        return false;
}

/* Returns 0; or -1 with an answer set. */
static int place(struct gw_call *call, struct gw_log_find *f)
{
        struct gw_indexset indices = {0};
        if (f->placed)
                return 0;
        int rc = gw_task_indices(call, &f->read, &indices);
        if (rc == 0)
                rc = gw_task_ordinal(call, &indices, f->index, &f->ordinal);
        gw_indexset_done(&indices);
        f->placed = rc == 0;
        return rc;
}

/* The job is here. A plain job is its only task. */
static bool ask_task(struct gw_call *call, struct gw_log_find *f, enum gw_next *ret_next)
{
        *ret_next = GW_NEXT_RESPOND;
        if (place(call, f))
                return false;
        f->latest = f->read.seen.attempt;
        f->over = gw_state_terminal(f->read.seen.state);
        if (!f->read.seen.is_array)
                return ask_attempts(call, f, ret_next);
        f->stage = LOG_FIND_TASK;
        f->task = (struct gw_db_task_get){.job = f->id, .ordinal = f->ordinal};
        gw_db_task_get_init(&f->task);
        *ret_next = gw_call_read(call, &f->task.cmd);
        return false;
}

static enum gw_next ask_backend(struct gw_call *call, struct gw_log_find *f, struct gw_backend *b)
{
        f->stage = LOG_FIND_SOURCE;
        f->opened = false;
        f->source.work.home = gw_call_home(call);
        f->source.work.owner = call->exchange;
        f->source.mark = (struct gw_mark){f->id, (uint32_t)f->submission};
        f->source.ordinal = f->ordinal;
        f->source.attempt = (uint32_t)f->attempt;
        f->source.want_stderr = strcmp(gw_call_text(call, "stream"), "stderr") == 0;
        f->source.identity = f->record.identity;
        f->source.ref = f->record.ref;
        f->source.index_set = f->record.index_set;
        f->source.ordinals = f->record.ordinals;
        f->source.spec = f->record.spec;
        f->source.node = f->node[0] ? f->node : NULL;
        f->source.ended = f->ended;
        b->type->log(b, &f->source);
        return GW_NEXT_WAIT;
}

/* On the thread that reads the record; again when its answer was lost. */
static void take_text(void *arg, const struct gw_log_text *text)
{
        struct gw_log_find *f = arg;
        struct gw_error *err = &f->source.error;
        if (f->source.fd >= 0)
                close(GW_TAKE_FD(f->source.fd));
        gw_log_kept_place_give_back(&f->kept_place);
        f->kept = true;
        *err = (struct gw_error){0};
        f->source.complete = true;
        if (gw_log_kept_place_take(&f->kept_place, f->room, f->user_id, gw_log_kept_size(text),
                                   err) == 0)
                f->source.fd = gw_log_kept_file(text, &f->source.size, &f->omitted, err);
}

static enum gw_next ask_kept(struct gw_call *call, struct gw_log_find *f)
{
        f->stage = LOG_FIND_KEPT;
        f->room = &call->shared->kept;
        f->user_id = call->principal->user_id;
        f->source.want_stderr = strcmp(gw_call_text(call, "stream"), "stderr") == 0;
        f->opened = true;
        f->kept_get = (struct gw_db_log_get){.log = {.job = f->id,
                                                     .ordinal = (int32_t)f->ordinal,
                                                     .attempt = f->attempt,
                                                     .is_stderr = f->source.want_stderr},
                                             .take = take_text,
                                             .arg = f};
        gw_db_log_get_init(&f->kept_get);
        return gw_call_page(call, &f->kept_get.cmd);
}

/* What is in its file is another's. Whoever reads the attempts one after the other goes on. */
static bool has_overwritten(struct gw_log_find *f)
{
        f->error = f->source.error;
        f->found = f->behind > 0 || f->in_order ? GW_LOG_NEVER : GW_LOG_GONE;
        return true;
}

static bool ask_overwritten(struct gw_call *call, struct gw_log_find *f, const struct gw_backend *b,
                            enum gw_next *ret_next)
{
        gw_fail(&f->source.error, GW_ERR_GONE,
                "the scheduler began another run by itself, which has written over this one's output");
        if (!b || !b->type->foreign_logs)
                return has_overwritten(f);
        *ret_next = ask_kept(call, f);
        return false;
}

static bool ask_record(struct gw_call *call, struct gw_log_find *f, enum gw_next *ret_next)
{
        struct gw_backend *b = gw_service_backend(call->service, f->read.seen.backend);
        if (f->attempts.cmd.error.code != GW_OK)
                return is_away(f, &f->attempts.cmd.error);
        if (f->submission == 0)
                return nothing_yet(f);
        if (f->overwritten)
                return ask_overwritten(call, f, b, ret_next);
        if (!b) {
                gw_fail(&f->source.error, GW_ERR_GONE,
                        "the backend of this job is not here any more");
                *ret_next = ask_kept(call, f);
        } else if (b->type->log_by_record) {
                f->stage = LOG_FIND_RECORD;
                f->record = (struct gw_db_submission_get){.job = f->id, .no = f->submission};
                gw_db_submission_get_init(&f->record);
                *ret_next = gw_call_read(call, &f->record.cmd);
        } else {
                *ret_next = ask_backend(call, f, b);
        }
        return false;
}

static bool take_record(struct gw_call *call, struct gw_log_find *f, enum gw_next *ret_next)
{
        if (f->record.cmd.error.code != GW_OK)
                return is_away(f, &f->record.cmd.error);
        *ret_next = ask_backend(call, f, gw_service_backend(call->service, f->read.seen.backend));
        return false;
}

/* Neither the file is there nor anything kept: what its backend says. */
static bool has_none(struct gw_log_find *f)
{
        const struct gw_error *error = &f->source.error;
        if (error->code == GW_ERR_NOT_FOUND)
                return no_file_yet(f);
        f->error = *error;
        f->found = gw_log_find_is_passing(error) ? GW_LOG_AWAY : GW_LOG_GONE;
        return true;
}

static bool take_source(struct gw_call *call, struct gw_log_find *f, enum gw_next *ret_next)
{
        const struct gw_backend *b = gw_service_backend(call->service, f->read.seen.backend);
        f->opened = true;
        f->found = GW_LOG_THERE;
        if (f->source.error.code == GW_OK)
                return true;
        if (!f->ended || !b->type->foreign_logs)
                return has_none(f);
        *ret_next = ask_kept(call, f);
        return false;
}

static bool take_kept(struct gw_log_find *f)
{
        if (f->kept_get.cmd.error.code != GW_OK)
                return is_away(f, &f->kept_get.cmd.error);
        if (!f->kept)
                return f->overwritten ? has_overwritten(f) : has_none(f);
        f->found = GW_LOG_THERE;
        return f->source.error.code == GW_OK || is_away(f, &f->source.error);
}

bool gw_log_find_resume(struct gw_call *call, struct gw_log_find *f, enum gw_next *ret_next)
{
        switch (f->stage) {
        case LOG_FIND_READ:
                if (gw_log_find_is_passing(&f->read.get.cmd.error))
                        return is_away(f, &f->read.get.cmd.error);
                return gw_job_read_resume(call, &f->read, ret_next) && ask_task(call, f, ret_next);
        case LOG_FIND_TASK:
                if (f->task.cmd.error.code != GW_OK)
                        return is_away(f, &f->task.cmd.error);
                f->latest = f->task.attempts;
                f->over = gw_state_terminal(f->task.state);
                return ask_attempts(call, f, ret_next);
        case LOG_FIND_ATTEMPTS:
                return ask_record(call, f, ret_next);
        case LOG_FIND_RECORD:
                return take_record(call, f, ret_next);
        case LOG_FIND_SOURCE:
                return take_source(call, f, ret_next);
        case LOG_FIND_KEPT:
                break;
        }
        return take_kept(f);
}

enum gw_next gw_log_find_fail(struct gw_call *call, const struct gw_log_find *f)
{
        if (f->found == GW_LOG_AWAY || f->found == GW_LOG_GONE)
                return gw_call_fail(call, &f->error);
        if (f->found == GW_LOG_NEVER)
                return gw_call_fail_code(call, GW_ERR_NOT_FOUND, "the attempt never ran");
        return gw_call_fail_code(call, GW_ERR_NOT_YET, "the task has not started");
}

void gw_log_find_done(struct gw_log_find *f)
{
        if (f->opened && f->source.fd >= 0)
                close(GW_TAKE_FD(f->source.fd));
        gw_log_kept_place_give_back(&f->kept_place);
        gw_db_submission_get_done(&f->record);
        gw_job_read_done(&f->read);
}
