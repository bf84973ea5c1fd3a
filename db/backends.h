/* What the backends have said of themselves: every replica serves it, their leaders write it. */
#ifndef GW_DB_BACKENDS_H
#define GW_DB_BACKENDS_H

#include "db/db.h"

struct gw_backend_row {
        const char *name, *type;
        const char *offer; /* JSON object without its users and namespaces, or NULL */
        bool reachable;
        int64_t observed_us; /* when the offer was; 0: it never was */
};

/* All that are recorded, by name; also those no longer configured. */
struct gw_db_backend_list {
        struct gw_db_command cmd;
        void (*each)(void *arg, const struct gw_backend_row *row);
        void *arg;
};
void gw_db_backend_list_init(struct gw_db_backend_list *c);

/* Who a project is on a backend. */
struct gw_backend_access {
        const char *project;
        const char *user, *account;              /* or NULL */
        const char *grants;                      /* JSON array, or NULL: not known */
        const char *namespace, *service_account; /* or NULL */
        const char *quotas; /* of the namespace, JSON array, or NULL: not known */
};

/* What the one of that name said, if it is recorded; then, by name, those of the projects that have
 * an identity there. */
struct gw_db_backend_get {
        struct gw_db_command cmd;
        const char *name;
        const char *projects; /* ids, with commas */
        void (*take)(void *arg, const struct gw_backend_row *row);
        void (*each)(void *arg, const struct gw_backend_access *access);
        void *arg;
};
void gw_db_backend_get_init(struct gw_db_backend_get *c);

/* Records what a backend says now. rows is 1. */
struct gw_db_backend_describe {
        struct gw_db_command cmd;
        const char *name, *type;
        const char *offer; /* JSON object, observed now; NULL keeps the last */
        bool reachable;
};
void gw_db_backend_describe_init(struct gw_db_backend_describe *c);

#endif
