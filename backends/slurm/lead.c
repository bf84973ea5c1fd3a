/*
 * Taking over and giving up leadership. Whoever leads anew starts from what the record says is
 * open; the first whole table tells the rest.
 */
#include <stdlib.h>

#include "backends/slurm/internal.h"
#include "backends/slurm/plan.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"

static uint32_t number_of(const char *ref)
{
        int64_t number;
        return ref && gw_str_int64(ref, 1, UINT32_MAX, &number) == 0 ? (uint32_t)number : 0;
}

/* A submission whose user cannot be found now is not known to be gone: no word of what the table
 * does not have is true of it. */
static int take_over(struct gw_slurm *b, const struct gw_live *live)
{
        struct gw_slurm_identity identity;
        struct gw_account account = {0};
        struct gw_error err = {0};
        json_auto_t *json = NULL;
        if (gw_slurm_identity_read(live->identity, &identity, &json, &err) ||
            gw_slurm_users_find(b->users, identity.user, gw_clock_mono_us(), &account, &err)) {
                gw_log_error("slurm.no_user", &err);
                b->strangers = true;
                return 0;
        }
        struct gw_slurm_job_settings settings = {
                .user = identity.user,
                .uid = account.uid,
                .send_before_us = live->send_before,
                .index_set = live->index_set,
                .most_tasks = live->most_tasks,
                .spans = live->spans,
                .span_count = live->span_count,
                .begun = live->begun,
                .begun_count = live->begun_count,
                .open = live->open,
                .open_count = live->open_count,
        };
        struct gw_slurm_job *job = gw_slurm_job_add(b, live->mark, &settings);
        gw_account_done(&account);
        if (!job ||
            (live->cancelling && gw_slurm_tasks_cancelled(&job->tasks, &job->array.ordinals)))
                return -1;
        uint32_t number = number_of(live->ref);
        if (number > 0)
                gw_slurm_job_number(b, job, number);
        return 0;
}

/* They are sorted by age: of a number that was given anew the younger one is the holder. */
static int take_over_all(struct gw_slurm *b, const struct gw_leadership *wish)
{
        for (size_t i = 0; i < wish->live_count; i++)
                if (take_over(b, &wish->live[i]))
                        return -1;
        return 0;
}

/* Not what was sent already: that is somebody else's to hear of. */
static void stop(struct gw_queued_backend *base)
{
        struct gw_slurm *b = GW_CONTAINER(base, struct gw_slurm, base);
        b->epoch = 0;
        gw_slurm_workers_free(GW_TAKE(b->workers));
        gw_slurm_watch_stop(b);
        gw_slurm_jobs_clear(b);
        gw_slurm_closed_clear(b);
        b->seen = 0;
        b->asked_at = b->read_at = 0;
        b->synced = b->refused = b->described = b->strangers = false;
}

static int begin(struct gw_queued_backend *base, const struct gw_leadership *wish)
{
        struct gw_slurm *b = GW_CONTAINER(base, struct gw_slurm, base);
        struct gw_slurm_workers_settings s = {.credential =
                                                      gw_slurm_settings_credential(&b->settings),
                                              .token_life_s = b->settings.token_life_s,
                                              .most = (unsigned)b->settings.workers};
        b->workers = gw_slurm_workers_new(&s, NULL);
        if (!b->workers || take_over_all(b, wish))
                return -1;
        b->epoch = wish->epoch;
        gw_slurm_watch_restart(b);
        return 0;
}

void gw_slurm_take_wish(struct gw_slurm *b)
{
        gw_queued_follow(&b->base, begin, stop);
}
