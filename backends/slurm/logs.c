/*
 * Reading the output of jobs: the file is opened by jobgate-slurm-as-user as the job's user, and
 * what comes back is a descriptor. Any replica does it, leading or not.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/internal.h"
#include "backends/slurm/output.h"
#include "backends/slurm/plan.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define OPEN_US (15 * GW_SECOND)

/* The search for the file of one log, path by path. */
struct opening {
        struct gw_as_user_call call;
        struct gw_slurm *backend;
        struct gw_backend_ask *asked;
        char *user;
        char *paths[GW_SLURM_OUTPUT_PATHS];
        size_t count, next;
        bool seen; /* one of the folders is visible here */
};

static void end(struct opening *o)
{
        gw_work_finish(&o->asked->log->work);
        gw_backend_ask_free(o->asked);
        for (size_t i = 0; i < o->count; i++)
                free(o->paths[i]);
        free(o->user);
        free(o);
}

/* ---- what its answer means ------------------------------------------------------------------- */

static const struct meaning {
        enum gw_error_code code;
        const char *words;
} meanings[] = {
        [GW_AS_USER_INVALID] = {GW_ERR_UNAVAILABLE, "the output cannot be read"},
        [GW_AS_USER_REFUSED] = {GW_ERR_UNAVAILABLE,
                                "the output cannot be read: jobgate-slurm-as-user is not allowed "
                                "to be the job's user"},
        [GW_AS_USER_ABSENT] = {GW_ERR_GONE, "the output file is not there any more"},
        [GW_AS_USER_UNSEEN] = {GW_ERR_GONE, "the folder of the output cannot be seen from the "
                                            "gateway's machine"},
        [GW_AS_USER_FORBIDDEN] = {GW_ERR_GONE, "the job's user may not read the output file"},
        [GW_AS_USER_WRONG] = {GW_ERR_GONE, "where the output was is something else now"},
        [GW_AS_USER_BUSY] = {GW_ERR_UNAVAILABLE, "the output cannot be read now"},
        [GW_AS_USER_FULL] = {GW_ERR_UNAVAILABLE, "the output cannot be read now"},
        [GW_AS_USER_LATE] = {GW_ERR_UNAVAILABLE, "the output cannot be read now"},
        [GW_AS_USER_FAILED] = {GW_ERR_UNAVAILABLE, "the output cannot be read"},
};

static void fail(struct opening *o, enum gw_as_user_outcome outcome, const char *text)
{
        struct gw_log_source *log = o->asked->log;
        if (outcome == GW_AS_USER_UNSEEN && o->seen)
                outcome = GW_AS_USER_ABSENT;
        if (outcome == GW_AS_USER_ABSENT && !log->ended)
                gw_fail(&log->error, GW_ERR_NOT_FOUND, "there is no output yet");
        else
                gw_fail(&log->error, meanings[outcome].code, "%s%s%s", meanings[outcome].words,
                        text ? ": " : "", text ? text : "");
}

static void take(struct opening *o, const struct gw_as_user_call *call)
{
        struct gw_log_source *log = o->asked->log;
        json_int_t size = json_integer_value(json_object_get(call->answer, "size"));
        log->fd = call->fd;
        log->size = size > 0 ? (uint64_t)size : 0;
        log->complete = log->ended;
        if (log->fd < 0)
                gw_fail(&log->error, GW_ERR_UNAVAILABLE, "the output cannot be read now");
}

/* ---- the search ------------------------------------------------------------------------------ */

static void open_next(struct opening *o);

static void on_opened(struct gw_as_user_call *call)
{
        struct opening *o = call->owner;
        bool missing = call->outcome == GW_AS_USER_ABSENT || call->outcome == GW_AS_USER_UNSEEN;
        o->seen |= call->outcome == GW_AS_USER_ABSENT;
        if (missing && o->next < o->count) {
                open_next(o);
                return;
        }
        if (call->outcome == GW_AS_USER_DONE)
                take(o, call);
        else
                fail(o, call->outcome, missing ? NULL : call->text);
        end(o);
}

static void open_next(struct opening *o)
{
        json_t *request = json_pack("{s:s, s:s, s:s}", "verb", "open", "user", o->user, "path",
                                    o->paths[o->next++]);
        if (!request) {
                gw_fail(&o->asked->log->error, GW_ERR_NOMEM, "out of memory");
                end(o);
                return;
        }
        o->call = (struct gw_as_user_call){.request = request,
                                           .deadline_us = gw_clock_mono_us() + OPEN_US,
                                           .done = on_opened,
                                           .owner = o};
        gw_as_user_ask(o->backend->as_user, &o->call);
}

static int find_paths(struct opening *o, struct gw_error *err)
{
        struct gw_slurm_identity identity;
        struct gw_account account;
        json_auto_t *json = NULL;
        const struct gw_log_source *log = o->asked->log;
        if (!o->backend->as_user)
                return gw_fail(err, GW_ERR_UNAVAILABLE,
                               "the output of jobs on this cluster cannot be read: its setting "
                               "as_user is missing");
        if (gw_slurm_identity_read(log->identity, &identity, &json, err) ||
            gw_slurm_account_find(o->backend, identity.user, &account, err))
                return -1;
        o->count = gw_slurm_output_find(account.name, account.home, log, o->paths, err);
        o->user = strdup(account.name);
        gw_account_done(&account);
        if (o->count == 0)
                return -1;
        return o->user ? 0 : gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

void gw_slurm_log_run(struct gw_slurm *b, struct gw_backend_ask *a)
{
        struct opening *o = calloc(1, sizeof *o);
        a->log->fd = -1;
        if (!o) {
                gw_fail(&a->log->error, GW_ERR_NOMEM, "out of memory");
                gw_work_finish(&a->log->work);
                gw_backend_ask_free(a);
                return;
        }
        o->backend = b;
        o->asked = a;
        if (find_paths(o, &a->log->error))
                end(o);
        else
                open_next(o);
}
