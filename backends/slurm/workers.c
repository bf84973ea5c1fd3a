/*
 * Users, each with the asks that wait and the workers it has.
 *
 *   ask ─► the user's line ─► an idle worker, or a new one ─► its answer, or its end ─► done
 *
 * A worker is `starting` until its first frame, in which nothing was sent yet. One that ends before
 * that makes its user wait longer each time before the next is started.
 *
 * Invariants: a worker with an ask is in no hurry to be ended but by the ask's deadline; a user
 * without asks and workers is freed.
 */
#include "backends/slurm/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "backends/slurm/link.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/str.h"

#define IDLE_US (10 * GW_SECOND)
#define START_US (10 * GW_SECOND) /* to the first frame */
#define BACK_OFF_FIRST_US (GW_SECOND / 5)
#define BACK_OFF_MOST_US (10 * GW_SECOND)
#define EVENTS 64

struct worker {
        struct user *user; /* NULL: it has ended */
        struct gw_link link;
        bool starting;
        struct gw_slurm_ask *ask; /* what it was asked; NULL: it is idle, or starts */
        int64_t idle_us;          /* monotonic: since when; or when it was started */
        int64_t end_us;           /* monotonic: nothing is asked of it from then on */
        uint32_t id;              /* of the request */
        bool watched;
        LIST_ENTRY(worker) entry;
};

struct user {
        struct gw_slurm_workers *pool;
        char *name;
        TAILQ_HEAD(, gw_slurm_ask) line;
        LIST_HEAD(, worker) workers;
        size_t count;
        int64_t start_us, back_off_us; /* monotonic: when the next may be started */
        char why[256];                 /* the last did not start */
        LIST_ENTRY(user) entry;
};

struct gw_slurm_workers {
        struct gw_slurm_workers_settings settings;
        int epoll;
        LIST_HEAD(, user) users;
        LIST_HEAD(, worker) ended; /* since serve() began */
        size_t count;
        uint32_t last_id;
};

static const char *const outcomes[] = {
        [GW_SLURM_DONE] = "done", [GW_SLURM_REFUSED] = "refused", [GW_SLURM_NOT_SENT] = "not_sent",
        [GW_SLURM_BUSY] = "busy", [GW_SLURM_UNKNOWN] = "unknown", [GW_SLURM_INVALID] = "invalid",
};

/* ---- asks ------------------------------------------------------------------------------------ */

static void finish(struct gw_slurm_ask *ask, enum gw_slurm_outcome outcome, const json_t *answer,
                   const char *text)
{
        ask->outcome = outcome;
        ask->answer = answer;
        ask->text = text;
        json_decref(GW_TAKE(ask->request));
        ask->done(ask);
}

/* An outcome that is none is not known. */
static enum gw_slurm_outcome outcome_of(const json_t *answer)
{
        const char *name = json_string_value(json_object_get(answer, "outcome"));
        for (size_t i = 0; name && i < GW_COUNT(outcomes); i++)
                if (strcmp(outcomes[i], name) == 0)
                        return (enum gw_slurm_outcome)i;
        return GW_SLURM_UNKNOWN;
}

/* ---- workers --------------------------------------------------------------------------------- */

static void watch(struct worker *worker)
{
        struct pollfd polls[GW_LINK_POLLS];
        int op = worker->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        gw_link_polls(&worker->link, polls);
        for (size_t i = 0; i < GW_LINK_POLLS; i++) {
                uint32_t out = polls[i].events & POLLOUT ? EPOLLOUT : 0;
                struct epoll_event event = {.events = EPOLLIN | out, .data.ptr = worker};
                (void)epoll_ctl(worker->user->pool->epoll, op, polls[i].fd, &event);
        }
        worker->watched = true;
}

/* Closing its descriptors takes them out of the epoll set, and not out of what was just read from
 * it: the memory goes when nobody can have a pointer to it. */
static void end_worker(struct worker *worker)
{
        struct user *user = worker->user;
        gw_link_close(&worker->link);
        LIST_REMOVE(worker, entry);
        LIST_INSERT_HEAD(&user->pool->ended, worker, entry);
        worker->user = NULL;
        user->count--;
        user->pool->count--;
}

static void free_ended(struct gw_slurm_workers *w)
{
        struct worker *worker;
        while ((worker = LIST_FIRST(&w->ended))) {
                LIST_REMOVE(worker, entry);
                free(worker);
        }
}

static void back_off(struct user *user, const char *why)
{
        int64_t twice = user->back_off_us * 2;
        user->back_off_us = twice == 0                 ? BACK_OFF_FIRST_US
                            : twice > BACK_OFF_MOST_US ? BACK_OFF_MOST_US
                                                       : twice;
        user->start_us = gw_clock_mono_us() + user->back_off_us;
        gw_str_copy(user->why, sizeof user->why, why);
}

/* Whoever waits is told why no worker starts; who asks in the pause, too. */
static void refuse_line(struct user *user)
{
        TAILQ_HEAD(, gw_slurm_ask) line = TAILQ_HEAD_INITIALIZER(line);
        struct gw_slurm_ask *ask;
        TAILQ_CONCAT(&line, &user->line, link);
        while ((ask = TAILQ_FIRST(&line))) {
                TAILQ_REMOVE(&line, ask, link);
                finish(ask, GW_SLURM_NOT_SENT, NULL, user->why);
        }
}

/* It ended, or is ended: what it was asked may have been done. */
static void lose(struct worker *worker, const char *text)
{
        struct user *user = worker->user;
        struct gw_slurm_ask *ask = worker->ask;
        bool starting = worker->starting;
        end_worker(worker);
        if (ask)
                finish(ask, GW_SLURM_UNKNOWN, NULL, text);
        if (!starting)
                return;
        back_off(user, text);
        if (user->count == 0)
                refuse_line(user);
}

static void start_worker(struct user *user)
{
        const struct gw_slurm_workers_settings *s = &user->pool->settings;
        struct gw_error err = {0};
        int64_t now = gw_clock_mono_us();
        struct worker *worker = calloc(1, sizeof *worker);
        if (!worker || gw_slurm_agent_open(&worker->link, &s->credential, "work", user->name,
                                           s->token_life_s, &err)) {
                free(worker);
                back_off(user, err.code ? err.message : "out of memory");
                if (user->count == 0)
                        refuse_line(user);
                return;
        }
        worker->user = user;
        worker->starting = true;
        worker->idle_us = now;
        worker->end_us = now + s->token_life_s * GW_SECOND / 2;
        LIST_INSERT_HEAD(&user->workers, worker, entry);
        user->count++;
        user->pool->count++;
        watch(worker);
}

/* ---- handing out ----------------------------------------------------------------------------- */

static struct worker *idle_worker(const struct user *user, int64_t now)
{
        struct worker *worker;
        LIST_FOREACH(worker, &user->workers, entry)
        {
                if (!worker->ask && !worker->starting && now < worker->end_us)
                        return worker;
        }
        return NULL;
}

static void hand_over(struct worker *worker, struct gw_slurm_ask *ask)
{
        struct gw_error err = {0};
        worker->id = ++worker->user->pool->last_id;
        worker->ask = ask;
        if (json_object_set_new(ask->request, "id", json_integer(worker->id)) ||
            gw_link_send(&worker->link, ask->request, &err)) {
                worker->ask = NULL;
                finish(ask, GW_SLURM_NOT_SENT, NULL, err.code ? err.message : "out of memory");
                return;
        }
        ask->deadline_us = gw_clock_mono_us() + ask->patience_us;
        gw_crash_point("slurm.sent");
        watch(worker);
}

static size_t starting_count(const struct user *user)
{
        struct worker *worker;
        size_t count = 0;
        LIST_FOREACH(worker, &user->workers, entry)
        {
                count += worker->starting;
        }
        return count;
}

/* Whether more wait than workers start already. */
static bool needs_worker(const struct user *user)
{
        size_t starting = starting_count(user);
        const struct gw_slurm_ask *ask = TAILQ_FIRST(&user->line);
        for (; ask && starting > 0; starting--)
                ask = TAILQ_NEXT(ask, link);
        return ask != NULL;
}

static void serve_line(struct user *user, int64_t now)
{
        struct gw_slurm_ask *ask;
        struct worker *worker;
        while ((ask = TAILQ_FIRST(&user->line)) && (worker = idle_worker(user, now))) {
                TAILQ_REMOVE(&user->line, ask, link);
                hand_over(worker, ask);
        }
        if (user->count >= user->pool->settings.most || !needs_worker(user))
                return;
        if (now >= user->start_us)
                start_worker(user);
        else if (user->count == 0)
                refuse_line(user);
}

/* ---- time ------------------------------------------------------------------------------------ */

static int64_t due_at(const struct worker *worker)
{
        if (worker->ask)
                return worker->ask->deadline_us;
        if (worker->starting)
                return worker->idle_us + START_US;
        int64_t idle = worker->idle_us + IDLE_US;
        return idle < worker->end_us ? idle : worker->end_us;
}

static void end_those_due(struct user *user, int64_t now)
{
        struct worker *worker, *next;
        for (worker = LIST_FIRST(&user->workers); worker; worker = next) {
                next = LIST_NEXT(worker, entry);
                if (now < due_at(worker))
                        continue;
                if (worker->ask || worker->starting)
                        lose(worker, "slurmctld did not answer in time");
                else
                        end_worker(worker);
        }
}

/* What waits in line is not sent when its time is over; it is over for the first of them first. */
static void drop_late_asks(struct user *user, int64_t now)
{
        struct gw_slurm_ask *ask;
        while ((ask = TAILQ_FIRST(&user->line)) && now >= ask->deadline_us) {
                TAILQ_REMOVE(&user->line, ask, link);
                finish(ask, GW_SLURM_NOT_SENT, NULL, "no worker was free in time");
        }
}

/* ---- what they say --------------------------------------------------------------------------- */

static void on_frame(void *arg, json_t *object)
{
        struct worker *worker = arg;
        struct gw_slurm_ask *ask = worker->ask;
        worker->idle_us = gw_clock_mono_us();
        if (worker->starting) {
                worker->starting = false;
                worker->user->back_off_us = worker->user->start_us = 0;
                return;
        }
        if (!ask || json_integer_value(json_object_get(object, "id")) != worker->id)
                return;
        worker->ask = NULL;
        finish(ask, outcome_of(object), object, json_string_value(json_object_get(object, "text")));
}

/* It has two descriptors, and may have ended with the first of them. */
static void serve_worker(struct worker *worker)
{
        struct gw_error err = {0};
        if (!worker->user)
                return;
        if (gw_link_serve(&worker->link, on_frame, worker, &err))
                lose(worker, err.message);
        else
                watch(worker);
}

void gw_slurm_workers_serve(struct gw_slurm_workers *w)
{
        struct epoll_event events[EVENTS];
        struct user *user, *next;
        int count = epoll_wait(w->epoll, events, EVENTS, 0);
        for (int i = 0; i < count; i++)
                serve_worker(events[i].data.ptr);
        int64_t now = gw_clock_mono_us();
        for (user = LIST_FIRST(&w->users); user; user = next) {
                end_those_due(user, now);
                drop_late_asks(user, now);
                serve_line(user, now);
                next = LIST_NEXT(user, entry);
                if (user->count > 0 || !TAILQ_EMPTY(&user->line) || now < user->start_us)
                        continue;
                LIST_REMOVE(user, entry);
                free(user->name);
                free(user);
        }
        free_ended(w);
}

/* What its line waits for: a worker's frame, or the time of the first; without, what serve() does.
 */
static int64_t line_wakes_at(const struct user *user)
{
        const struct gw_slurm_ask *first = TAILQ_FIRST(&user->line);
        if (!first)
                return INT64_MAX;
        bool served = user->count > 0 && !idle_worker(user, gw_clock_mono_us());
        return served ? first->deadline_us : 0;
}

int64_t gw_slurm_workers_wake_at(const struct gw_slurm_workers *w)
{
        int64_t at = INT64_MAX;
        struct user *user;
        struct worker *worker;
        LIST_FOREACH(user, &w->users, entry)
        {
                int64_t line_at = line_wakes_at(user);
                if (line_at < at)
                        at = line_at;
                LIST_FOREACH(worker, &user->workers, entry)
                {
                        if (due_at(worker) < at)
                                at = due_at(worker);
                }
        }
        return at;
}

/* ---- the outside ----------------------------------------------------------------------------- */

struct gw_slurm_workers *gw_slurm_workers_new(const struct gw_slurm_workers_settings *settings,
                                              struct gw_error *err)
{
        struct gw_slurm_workers *w = calloc(1, sizeof *w);
        if (!w) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        w->settings = *settings;
        w->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (w->epoll < 0) {
                free(w);
                gw_fail(err, GW_ERR_INTERNAL, "no descriptor for the workers");
                return NULL;
        }
        return w;
}

void gw_slurm_workers_free(struct gw_slurm_workers *w)
{
        struct user *user;
        if (!w)
                return;
        while ((user = LIST_FIRST(&w->users))) {
                struct worker *worker;
                while ((worker = LIST_FIRST(&user->workers))) {
                        struct gw_slurm_ask *ask = worker->ask;
                        end_worker(worker);
                        if (ask)
                                finish(ask, GW_SLURM_UNKNOWN, NULL, "the gateway stops");
                }
                gw_str_copy(user->why, sizeof user->why, "the gateway stops");
                refuse_line(user);
                LIST_REMOVE(user, entry);
                free(user->name);
                free(user);
        }
        free_ended(w);
        close(w->epoll);
        free(w);
}

static struct user *find_user(struct gw_slurm_workers *w, const char *name)
{
        struct user *user;
        LIST_FOREACH(user, &w->users, entry)
        {
                if (strcmp(user->name, name) == 0)
                        return user;
        }
        user = calloc(1, sizeof *user);
        if (!user || !(user->name = strdup(name))) {
                free(user);
                return NULL;
        }
        user->pool = w;
        TAILQ_INIT(&user->line);
        LIST_INSERT_HEAD(&w->users, user, entry);
        return user;
}

void gw_slurm_workers_ask(struct gw_slurm_workers *w, struct gw_slurm_ask *ask)
{
        struct user *user = find_user(w, ask->user);
        ask->deadline_us = gw_clock_mono_us() + ask->patience_us;
        if (user)
                TAILQ_INSERT_TAIL(&user->line, ask, link);
        else
                finish(ask, GW_SLURM_NOT_SENT, NULL, "out of memory");
}

int gw_slurm_workers_fd(const struct gw_slurm_workers *w)
{
        return w->epoll;
}

size_t gw_slurm_workers_count(const struct gw_slurm_workers *w)
{
        return w->count;
}
