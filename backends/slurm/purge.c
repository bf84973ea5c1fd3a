/*
 * Removing the output of a job whose record is gone, as each user it was handed over as. Files that
 * a script named itself are its user's, and stay. Any replica does it; what cannot be done now is
 * left, for nobody knows of the job any more.
 */
#include <stdlib.h>

#include "backends/slurm/internal.h"
#include "backends/slurm/output.h"
#include "backends/slurm/plan.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define REMOVE_US (60 * GW_SECOND)

struct removal {
        struct gw_as_user_call call;
        char job[GW_ID_TEXT];
};

/* A folder that is not there, or not seen from here, has nothing of it. */
static bool is_done(enum gw_as_user_outcome outcome)
{
        return outcome == GW_AS_USER_DONE || outcome == GW_AS_USER_ABSENT ||
               outcome == GW_AS_USER_UNSEEN;
}

static void on_removed(struct gw_as_user_call *call)
{
        struct removal *r = call->owner;
        if (!is_done(call->outcome))
                gw_log(GW_LOG_WARN, "slurm.not_removed", "{s:s, s:s, s:s*}", "job", r->job,
                       "outcome", gw_as_user_outcome_name(call->outcome), "message", call->text);
        free(r);
}

static void ask(struct gw_slurm *b, const struct gw_account *account, struct gw_id job)
{
        struct removal *r = calloc(1, sizeof *r);
        gw_autofree char *folder = gw_slurm_output_folder(account->home);
        if (r)
                gw_id_format(job, r->job);
        json_t *request = r && folder ? json_pack("{s:s, s:s, s:s, s:s}", "verb", "remove", "user",
                                                  account->name, "path", folder, "job", r->job)
                                      : NULL;
        if (!request) {
                free(r);
                return;
        }
        r->call = (struct gw_as_user_call){.request = request,
                                           .deadline_us = gw_clock_mono_us() + REMOVE_US,
                                           .done = on_removed,
                                           .owner = r};
        gw_as_user_ask(b->as_user, &r->call);
}

static void purge_as(struct gw_slurm *b, const json_t *identity, struct gw_id job)
{
        const char *user = json_string_value(json_object_get(identity, "user"));
        struct gw_account account;
        if (!user || gw_slurm_account_find(b, user, &account, NULL))
                return;
        ask(b, &account, job);
        gw_account_done(&account);
}

void gw_slurm_purge_run(struct gw_slurm *b, struct gw_backend_ask *a)
{
        size_t i;
        const json_t *identity;
        json_auto_t *list = b->as_user && a->identities ? json_loads(a->identities, 0, NULL) : NULL;
        json_array_foreach(list, i, identity)
        {
                purge_as(b, identity, a->mark.job);
        }
        gw_backend_ask_free(a);
}
