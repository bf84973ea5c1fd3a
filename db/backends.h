/* What the backends have said of themselves: every replica serves it, their leaders write it. */
#ifndef GW_DB_BACKENDS_H
#define GW_DB_BACKENDS_H

#include "db/db.h"

struct gw_backend_row {
        const char *name, *type;
        const char *offer; /* JSON object, or NULL */
        bool reachable;
        int64_t observed_us;
};

/* All that are recorded, by name; also those no longer configured. */
struct gw_db_backend_list {
        struct gw_db_command cmd;
        void (*each)(void *arg, const struct gw_backend_row *row);
        void *arg;
};
void gw_db_backend_list_init(struct gw_db_backend_list *c);

/* Records what a backend says now. rows is 1. */
struct gw_db_backend_describe {
        struct gw_db_command cmd;
        const char *name, *type;
        const char *offer; /* JSON object; NULL keeps the last */
        bool reachable;
};
void gw_db_backend_describe_init(struct gw_db_backend_describe *c);

#endif
