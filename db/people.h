/* Users, projects, memberships and tokens. */
#ifndef GW_DB_PEOPLE_H
#define GW_DB_PEOPLE_H

#include "db/db.h"

struct gw_membership_row {
        int64_t project_id;
        const char *project, *role;
        const char *default_backend; /* or NULL */
};

/* Whom a token stands for. rows is 0 for a token that is unknown, revoked or expired, or whose
 * user is disabled. Disabled projects are left out; a token bound to a project sees only that. */
struct gw_db_principal {
        struct gw_db_command cmd;
        uint8_t hash[32];
        /* out; set by the first row */
        int64_t token_id, user_id, expires_us; /* 0: never */
        char user[64];
        char scopes[256]; /* "jobs:read,jobs:write" */
        /* called per membership, on the database thread */
        void (*each)(void *arg, const struct gw_membership_row *row);
        void *arg;
};
void gw_db_principal_init(struct gw_db_principal *c);

/* Notes that tokens were used today (at most once a day each). */
struct gw_db_token_used {
        struct gw_db_command cmd;
        int64_t token_id;
};
void gw_db_token_used_init(struct gw_db_token_used *c);

/* Whom a project is on a backend, and what is known of that. rows is 1. */
struct gw_db_identity_get {
        struct gw_db_command cmd;
        int64_t project_id;
        const char *backend;
        char *identity; /* out: JSON text, the caller's; NULL: it is nobody there (or no memory) */
        int32_t most_tasks; /* out: of one array, as it has said; 0: it has not */
};
void gw_db_identity_get_init(struct gw_db_identity_get *c);

/* ---- for the command line --------------------------------------------------------------- */

/* rows is 0 when the name is taken. */
struct gw_db_user_create {
        struct gw_db_command cmd;
        const char *name;
        int64_t id;
};
void gw_db_user_create_init(struct gw_db_user_create *c);

struct gw_db_project_create {
        struct gw_db_command cmd;
        const char *name, *default_backend;
        int64_t id;
};
void gw_db_project_create_init(struct gw_db_project_create *c);

/* Makes or changes a membership; rows is 0 when project or user does not exist. */
struct gw_db_member_set {
        struct gw_db_command cmd;
        const char *project, *user, *role;
};
void gw_db_member_set_init(struct gw_db_member_set *c);

/* Whom a project is on a backend: JSON text. rows is 0 when the project does not exist. */
struct gw_db_identity_set {
        struct gw_db_command cmd;
        const char *project, *backend, *identity;
};
void gw_db_identity_set_init(struct gw_db_identity_set *c);

/* rows is 0 when the user or the project does not exist. */
struct gw_db_token_create {
        struct gw_db_command cmd;
        const char *user, *project; /* project: NULL for all of the user's */
        const char *name, *scopes;  /* "jobs:read,jobs:write" */
        int64_t expires_us;         /* 0: never */
        uint8_t hash[32];
        int64_t id;
};
void gw_db_token_create_init(struct gw_db_token_create *c);

struct gw_token_row {
        int64_t id, created_us, expires_us, revoked_us;
        const char *name, *user, *project, *scopes, *last_used;
};
struct gw_db_token_list {
        struct gw_db_command cmd;
        const char *user; /* NULL: all */
        void (*each)(void *arg, const struct gw_token_row *row);
        void *arg;
};
void gw_db_token_list_init(struct gw_db_token_list *c);

/* rows is 0 when there is no such token, or it was revoked before. */
struct gw_db_token_revoke {
        struct gw_db_command cmd;
        int64_t id;
};
void gw_db_token_revoke_init(struct gw_db_token_revoke *c);

#endif
