/* The event log as it is read: pages in commit order. */
#ifndef GW_DB_EVENTS_H
#define GW_DB_EVENTS_H

#include "db/db.h"

struct gw_event_row {
        int64_t n, at_us, project_id;
        struct gw_id job;
        const char *kind, *state, *reason, *indices, *request_id;
        const char *actor; /* a user's name, or NULL for the gateway itself */
        const char *data;  /* JSON or NULL */
        int32_t attempt;   /* 0: none */
};

/* Events with n > after of the projects given ("1,7"; NULL: all), or of one job when job is not
 * nil; at most limit, in order. */
struct gw_db_event_page {
        struct gw_db_command cmd;
        const char *projects;
        struct gw_id job;
        int64_t after;
        int32_t limit;
        void (*each)(void *arg, const struct gw_event_row *row);
        void *arg;
};
void gw_db_event_page_init(struct gw_db_event_page *c);

/* The highest number given out and committed; 0 when there is none. */
struct gw_db_event_last {
        struct gw_db_command cmd;
        int64_t n;
};
void gw_db_event_last_init(struct gw_db_event_last *c);

/* NOTIFY channels: "jobgate" (payload: the highest new event number) and "jobgate_auth". */
#define GW_DB_NOTIFY_EVENTS "jobgate"
#define GW_DB_NOTIFY_AUTH "jobgate_auth"

#endif
