/*
 * What routes call: the running parts, and the few verbs that need more than one of them.
 * Everything here is constant after app.c has built it, so any loop may use it.
 */
#ifndef GW_ENGINE_SERVICE_H
#define GW_ENGINE_SERVICE_H

#include "backends/backend.h"
#include "db/db.h"
#include "server/auth/auth.h"
#include "server/engine/follow.h"
#include "server/engine/hub.h"
#include "server/engine/leader.h"

#define GW_LINES_CHANNELS 2

struct gw_service_backend {
        struct gw_backend *backend;
        struct gw_leader *leader;
};

#define GW_PAGE_CHANNELS 2

struct gw_service {
        struct gw_db_channel *writer, *reader;         /* for what is short */
        struct gw_db_channel *pages[GW_PAGE_CHANNELS]; /* for lists, by turns */
        struct gw_db_channel *bulk;                    /* for changes of many */
        /* For the jobs of bodies of lines: while one flushes the log, another inserts. */
        struct gw_db_channel *lines[GW_LINES_CHANNELS];
        struct gw_hub *hub;
        struct gw_follow *follow;
        struct gw_auth *auth;
        struct gw_metrics *metrics;
        struct gw_service_backend *backends;
        size_t backend_count;
        const char *url; /* how clients reach the gateway */
        unsigned max_wait_s;
        uint32_t max_array;         /* the most tasks of a job */
        struct gw_shares *dry_runs; /* how many of each user are out */
        size_t max_body_bytes, max_lines_bytes;
        size_t max_user_lines_bytes; /* that bodies of lines of one user may hold together */
        unsigned max_lines_s;        /* the longest time that a body of lines may take to arrive */
};

/* Whether all of its channels reach a database whose schema fits. */
bool gw_service_database_up(const struct gw_service *s);
/* The configured backend of that name, or NULL. */
struct gw_backend *gw_service_backend(const struct gw_service *s, const char *name);

#endif
