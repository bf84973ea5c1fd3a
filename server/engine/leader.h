/*
 * The leader of one backend: the one thread that changes states.
 *
 * One gateway process leads a backend at a time (db/leases.h). It reads wishes and due timers,
 * claims what can be handed over per project in turn, records the intent, hands it to the
 * backend, and applies the backend's answers and facts through gw_job_apply(). Everything it
 * does is re-derived from the record after a crash; losing the database ends leadership at
 * once.
 */
#ifndef GW_ENGINE_LEADER_H
#define GW_ENGINE_LEADER_H

#include "backends/backend.h"
#include "server/base/error.h"
#include "server/base/metrics.h"

struct gw_leader;

/* Families that all leaders of the process share, a series for each backend (index). Any may be
 * NULL. */
struct gw_leader_metrics {
        struct gw_metric_family *leads;    /* gauge: 1 while this process leads */
        struct gw_metric_family *live;     /* gauge: submissions that are not closed */
        struct gw_metric_family *handover; /* seconds from the recorded intent to the answer */
        struct gw_metric_family *lag;      /* seconds from a job's end to its record */
        struct gw_metric_family *pending; /* gauge: what the backend said and is not recorded yet */
        size_t index;
};

struct gw_leader_settings {
        const char *conninfo; /* borrowed for its life */
        const char *holder;   /* this process, for people: "host:pid" */
        unsigned window;      /* most submissions the backend is to hold waiting */
        int64_t send_us; /* a hand-over is not sent later than this after its intent; 0: 60 s */
        struct gw_leader_metrics metrics;
};

/* Before the backend is opened: its host points here. */
struct gw_leader *gw_leader_new(const struct gw_leader_settings *settings, struct gw_error *err);
struct gw_backend_host gw_leader_host(struct gw_leader *leader);

/* Starts the thread; the backend is borrowed and outlives it. */
int gw_leader_start(struct gw_leader *leader, struct gw_backend *backend, struct gw_error *err);
/* Any thread: there may be something to look at. */
void gw_leader_hint(struct gw_leader *leader);
/* Any thread: whether this process leads the backend now. */
bool gw_leader_leads(const struct gw_leader *leader);
/* Yields and stops the thread. The backend may still call its host until it is closed. */
void gw_leader_stop(struct gw_leader *leader);
void gw_leader_free(struct gw_leader *leader); /* after the backend is closed */

#endif
