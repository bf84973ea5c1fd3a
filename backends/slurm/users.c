/*
 * A list by name. Who is not there is remembered for a shorter while than who is: he may be made.
 *
 * Invariant: an entry is an account, or what was wrong.
 */
#include "backends/slurm/users.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/base/clock.h"

#define KNOWN_US (10 * 60 * GW_SECOND)
#define UNKNOWN_US (10 * GW_SECOND)
#define AWAY_US (60 * GW_SECOND) /* who was known, while nobody can be looked up */
#define MOST 4096

struct entry {
        char *name;
        struct gw_account account; /* its name is NULL: there is none */
        struct gw_error error;
        int64_t until_us; /* monotonic */
        LIST_ENTRY(entry) link;
};

struct gw_slurm_users {
        int (*look_up)(const char *name, struct gw_account *ret, struct gw_error *err);
        LIST_HEAD(, entry) entries;
        size_t count;
};

struct gw_slurm_users *gw_slurm_users_new(int (*look_up)(const char *name, struct gw_account *ret,
                                                         struct gw_error *err))
{
        struct gw_slurm_users *u = calloc(1, sizeof *u);
        if (u)
                u->look_up = look_up;
        return u;
}

static void remove_entry(struct gw_slurm_users *u, struct entry *e)
{
        LIST_REMOVE(e, link);
        u->count--;
        gw_account_done(&e->account);
        free(e->name);
        free(e);
}

static void clear(struct gw_slurm_users *u)
{
        while (!LIST_EMPTY(&u->entries))
                remove_entry(u, LIST_FIRST(&u->entries));
}

void gw_slurm_users_free(struct gw_slurm_users *u)
{
        if (!u)
                return;
        clear(u);
        free(u);
}

static struct entry *find(struct gw_slurm_users *u, const char *name)
{
        struct entry *e;
        LIST_FOREACH(e, &u->entries, link)
        {
                if (strcmp(e->name, name) == 0)
                        return e;
        }
        return NULL;
}

static struct entry *add(struct gw_slurm_users *u, const char *name)
{
        if (u->count >= MOST)
                clear(u);
        struct entry *e = calloc(1, sizeof *e);
        if (!e || !(e->name = strdup(name))) {
                free(e);
                return NULL;
        }
        LIST_INSERT_HEAD(&u->entries, e, link);
        u->count++;
        return e;
}

/* Looks anew. What was known stays when that cannot be. */
static void look(struct gw_slurm_users *u, struct entry *e, int64_t now_us)
{
        struct gw_account account = {0};
        struct gw_error err = {0};
        int rc = u->look_up(e->name, &account, &err);
        if (rc && err.code != GW_ERR_INVALID && e->account.name) {
                e->until_us = now_us + AWAY_US;
                return;
        }
        gw_account_done(&e->account);
        e->account = account;
        e->error = err;
        e->until_us = rc == 0                      ? now_us + KNOWN_US
                      : err.code == GW_ERR_INVALID ? now_us + UNKNOWN_US
                                                   : now_us; /* looked up again */
}

static int answer(const struct entry *e, struct gw_account *ret, struct gw_error *err)
{
        if (!e->account.name)
                return gw_fail(err, e->error.code, "%s", e->error.message);
        struct gw_account copy = {
                .name = strdup(e->account.name),
                .home = strdup(e->account.home),
                .shell = strdup(e->account.shell),
                .uid = e->account.uid,
                .gid = e->account.gid,
        };
        if (!copy.name || !copy.home || !copy.shell) {
                gw_account_done(&copy);
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        }
        *ret = copy;
        return 0;
}

int gw_slurm_users_find(struct gw_slurm_users *u, const char *name, int64_t now_us,
                        struct gw_account *ret, struct gw_error *err)
{
        struct entry *e = find(u, name);
        if (!e && !(e = add(u, name)))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (now_us >= e->until_us)
                look(u, e, now_us);
        return answer(e, ret, err);
}
