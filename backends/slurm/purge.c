/*
 * Removing the output of a job whose record is gone, as each user it was handed over as. Files that
 * a script named itself are its user's, and stay. Any replica does it. While as_user is away, or
 * has no room, its removals wait and are tried again ever less often; what fails otherwise is left,
 * and so is what waits when the gateway ends, for nobody knows of the job any more.
 *
 * Records may be removed by the ten thousand, and nobody waits for this: so removals wait here, and
 * as_user, whose places are for those that somebody waits for, is asked for one of a user at a
 * time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "backends/slurm/internal.h"
#include "backends/slurm/output.h"
#include "backends/slurm/plan.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define REMOVE_US (60 * GW_SECOND)
#define AT_ONCE 4          /* of all users */
#define MOST 100000        /* that wait; more are left */
#define AGAIN_US GW_SECOND /* after what came to nothing; doubles */
#define AGAIN_MOST_US (60 * GW_SECOND)

struct removal {
        struct gw_as_user_call call;
        struct gw_slurm *backend;
        struct leaver *of; /* NULL: the gateway stops */
        char job[GW_ID_TEXT];
        TAILQ_ENTRY(removal) link;
};

/* A user of whom something is to be removed. */
struct leaver {
        char *user, *folder;
        struct removal *asked; /* as_user was; NULL: not now */
        int64_t again_us;      /* monotonic: not asked before … */
        int64_t pause_us;      /* … for so long it waited last; 0: it did not */
        TAILQ_HEAD(removals, removal) waiting;
        TAILQ_ENTRY(leaver) link;
};

struct gw_slurm_purges {
        TAILQ_HEAD(leavers, leaver) leavers; /* whose turn comes first is first */
        size_t waiting, asked;
        bool full; /* some are left: that was logged */
};

/* ---- users ----------------------------------------------------------------------------------- */

static void leaver_free(struct gw_slurm_purges *p, struct leaver *l)
{
        struct removal *r;
        while ((r = TAILQ_FIRST(&l->waiting))) {
                TAILQ_REMOVE(&l->waiting, r, link);
                p->waiting--;
                free(r);
        }
        if (l->asked)
                l->asked->of = NULL;
        TAILQ_REMOVE(&p->leavers, l, link);
        free(l->user);
        free(l->folder);
        free(l);
}

/* NULL without memory. */
static struct leaver *leaver_of(struct gw_slurm_purges *p, const struct gw_account *account)
{
        struct leaver *l;
        TAILQ_FOREACH(l, &p->leavers, link)
        {
                if (strcmp(l->user, account->name) == 0)
                        return l;
        }
        if (!(l = calloc(1, sizeof *l)))
                return NULL;
        TAILQ_INIT(&l->waiting);
        TAILQ_INSERT_TAIL(&p->leavers, l, link);
        l->user = strdup(account->name);
        l->folder = gw_slurm_output_folder(account->home);
        if (l->user && l->folder)
                return l;
        leaver_free(p, l);
        return NULL;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* A folder that is not there, or not seen from here, has nothing of it. */
static bool is_done(enum gw_as_user_outcome outcome)
{
        return outcome == GW_AS_USER_DONE || outcome == GW_AS_USER_ABSENT ||
               outcome == GW_AS_USER_UNSEEN;
}

/* Nothing was done, or maybe: a removal may be repeated. */
static bool is_passing(enum gw_as_user_outcome outcome)
{
        return outcome == GW_AS_USER_BUSY || outcome == GW_AS_USER_LATE;
}

static void say(const char *event, const struct removal *r)
{
        gw_log(GW_LOG_WARN, event, "{s:s, s:s, s:s*}", "job", r->job, "outcome",
               gw_as_user_outcome_name(r->call.outcome), "message", r->call.text);
}

/* The first that has to wait is told of. */
static void try_later(struct gw_slurm_purges *p, struct leaver *l, struct removal *r)
{
        if (l->pause_us == 0)
                say("slurm.removed_later", r);
        l->pause_us = l->pause_us ? 2 * l->pause_us : AGAIN_US;
        if (l->pause_us > AGAIN_MOST_US)
                l->pause_us = AGAIN_MOST_US;
        l->again_us = gw_clock_mono_us() + l->pause_us;
        TAILQ_INSERT_HEAD(&l->waiting, r, link);
        p->waiting++;
}

static void ask_next(struct gw_slurm *b);

static void on_removed(struct gw_as_user_call *call)
{
        struct removal *r = call->owner;
        struct gw_slurm *b = r->backend;
        struct leaver *l = r->of;
        if (!l) {
                free(r);
                return;
        }
        l->asked = NULL;
        b->purges->asked--;
        if (is_passing(call->outcome)) {
                try_later(b->purges, l, r);
        } else {
                if (!is_done(call->outcome))
                        say("slurm.not_removed", r);
                l->pause_us = 0;
                free(r);
        }
        if (TAILQ_EMPTY(&l->waiting))
                leaver_free(b->purges, l);
        ask_next(b);
}

/* The user goes behind the others. */
static void ask(struct gw_slurm *b, struct leaver *l)
{
        struct gw_slurm_purges *p = b->purges;
        struct removal *r = TAILQ_FIRST(&l->waiting);
        TAILQ_REMOVE(&l->waiting, r, link);
        p->waiting--;
        TAILQ_REMOVE(&p->leavers, l, link);
        TAILQ_INSERT_TAIL(&p->leavers, l, link);
        r->call = (struct gw_as_user_call){.request = json_pack("{s:s, s:s, s:s, s:s}", "verb",
                                                                "remove", "user", l->user, "path",
                                                                l->folder, "job", r->job),
                                           .deadline_us = gw_clock_mono_us() + REMOVE_US,
                                           .done = on_removed,
                                           .owner = r};
        if (!r->call.request) {
                free(r);
                return;
        }
        l->asked = r;
        p->asked++;
        gw_as_user_ask(b->as_user, &r->call);
}

static bool wants(const struct leaver *l)
{
        return !l->asked && !TAILQ_EMPTY(&l->waiting);
}

static void ask_next(struct gw_slurm *b)
{
        int64_t now = gw_clock_mono_us();
        struct leaver *l = TAILQ_FIRST(&b->purges->leavers), *next;
        for (; l && b->purges->asked < AT_ONCE; l = next) {
                next = TAILQ_NEXT(l, link);
                if (wants(l) && now >= l->again_us)
                        ask(b, l);
        }
}

int64_t gw_slurm_purges_wake_at(const struct gw_slurm *b)
{
        int64_t at = INT64_MAX;
        const struct leaver *l;
        if (!b->purges || b->purges->asked >= AT_ONCE)
                return at;
        TAILQ_FOREACH(l, &b->purges->leavers, link)
        {
                if (wants(l) && l->again_us < at)
                        at = l->again_us;
        }
        return at;
}

void gw_slurm_purges_serve(struct gw_slurm *b)
{
        if (b->purges)
                ask_next(b);
}

/* ---- the outside ----------------------------------------------------------------------------- */

static bool has_room(struct gw_slurm_purges *p)
{
        bool room = p->waiting < MOST;
        if (!room && !p->full)
                gw_log(GW_LOG_WARN, "slurm.too_many_to_remove", "{s:I}", "waiting",
                       (json_int_t)p->waiting);
        p->full = !room;
        return room;
}

static void add(struct gw_slurm *b, const struct gw_account *account, struct gw_id job)
{
        struct leaver *l = has_room(b->purges) ? leaver_of(b->purges, account) : NULL;
        struct removal *r = l ? calloc(1, sizeof *r) : NULL;
        if (!r)
                return;
        r->backend = b;
        r->of = l;
        gw_id_format(job, r->job);
        TAILQ_INSERT_TAIL(&l->waiting, r, link);
        b->purges->waiting++;
        ask_next(b);
}

static void purge_as(struct gw_slurm *b, const json_t *identity, struct gw_id job)
{
        const char *user = json_string_value(json_object_get(identity, "user"));
        struct gw_account account;
        if (!user || gw_slurm_account_find(b, user, &account, NULL))
                return;
        add(b, &account, job);
        gw_account_done(&account);
}

static bool begin(struct gw_slurm *b)
{
        if (!b->purges && (b->purges = calloc(1, sizeof *b->purges)))
                TAILQ_INIT(&b->purges->leavers);
        return b->purges != NULL;
}

void gw_slurm_purges_clear(struct gw_slurm *b)
{
        if (!b->purges)
                return;
        if (b->purges->waiting > 0)
                gw_log(GW_LOG_WARN, "slurm.removals_left", "{s:I}", "waiting",
                       (json_int_t)b->purges->waiting);
        while (!TAILQ_EMPTY(&b->purges->leavers))
                leaver_free(b->purges, TAILQ_FIRST(&b->purges->leavers));
        free(GW_TAKE(b->purges));
}

void gw_slurm_purge_run(struct gw_slurm *b, struct gw_backend_ask *a)
{
        size_t i;
        const json_t *identity;
        bool can = b->as_user && a->identities && begin(b);
        json_auto_t *list = can ? json_loads(a->identities, 0, NULL) : NULL;
        json_array_foreach(list, i, identity)
        {
                purge_as(b, identity, a->mark.job);
        }
        gw_backend_ask_free(a);
}
