/*
 * The hub: who waits for what, and the one thread that hears of every event.
 *
 * It LISTENs, reads the event log above its last number (only while somebody waits), and sends
 * the waits that are met, or over, home. A wait costs no thread and no query while it lasts.
 * It also tells the leaders that there is something to look at, and the principals' cache
 * that people changed.
 */
#ifndef GW_ENGINE_HUB_H
#define GW_ENGINE_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/base/id.h"
#include "server/base/mailbox.h"
#include "server/base/metrics.h"

struct gw_hub;

struct gw_hub_settings {
        const char *conninfo; /* borrowed for its life */
        size_t max_waits;
        /* Called on the hub's thread; must not block. Either may be NULL. */
        void (*events)(void *arg); /* new events were committed, or the connection is new */
        void (*people)(void *arg); /* users, projects, memberships or tokens changed */
        void *arg;
        struct gw_metrics *metrics; /* or NULL */
};

struct gw_hub *gw_hub_start(const struct gw_hub_settings *settings, struct gw_error *err);
/* Sends every wait home (as over), stops and frees. */
void gw_hub_stop(struct gw_hub *hub);

/* The number up to which events have been passed on. Any thread. Read it before reading the
 * thing to wait for: a wait with this `since` misses nothing that came after. */
int64_t gw_hub_now(const struct gw_hub *hub);

/* Whether it hears of events now (the database is there). Any thread. */
bool gw_hub_up(const struct gw_hub *hub);

/* From now on every wait is over at once: for the end of the process, before the loops are
 * stopped. Any thread. */
void gw_hub_drain(struct gw_hub *hub);

/* Embedded by whoever waits; comes home once. */
struct gw_hub_wait {
        struct gw_work work; /* home and owner are set by the caller */
        /* in */
        struct gw_id job;        /* wait for an event of this job, or nil: */
        const int64_t *projects; /* for an event of one of these projects; borrowed */
        size_t project_count;    /* 0: for the time only */
        int64_t since;           /* of gw_hub_now() */
        int64_t until_us;        /* monotonic: over then */
        bool sure; /* not refused while the hub runs: whoever waits has begun to answer, and
                      was counted before */
        /* out */
        bool met; /* an event came; false: the time is over */
        /* private */
        atomic_bool abandoned;
        struct gw_hub_wait *next;
};

/* Any thread. Returns 0, or -1 with GW_ERR_OVERLOADED when too many wait, or the hub stops. */
int gw_hub_wait(struct gw_hub *hub, struct gw_hub_wait *wait, struct gw_error *err);
/* Any thread, while the wait is out: nobody waits any more; it comes home soon. */
void gw_hub_abandon(struct gw_hub *hub, struct gw_hub_wait *wait);

#endif
