/*
 * The migration runner: forward-only, checksummed, one at a time.
 *
 * Files are NNNN_name.sql, numbered from 1 without a gap, compiled in (migrations_generate.py
 * makes C of migrations/). Each runs in one transaction with its row in schema_migrations (no,
 * name, checksum, applied_at). A session-level advisory lock makes two processes that start at
 * once take turns. A file that was changed after it was applied is refused; a database that is
 * newer by more than one is refused (release N serves schemas N and N+1).
 */
#ifndef GW_DB_MIGRATE_H
#define GW_DB_MIGRATE_H

#include <stddef.h>

#include "server/base/error.h"

/* Brings the database up to this release. conninfo: the owner's role. serving_role: who is
 * granted what the gateway needs, no more. Logs each step. Blocks for as long as it takes.
 * Returns 0 or -1; the message is for the operator. May be repeated. */
int gw_db_migrate(const char *conninfo, const char *serving_role, struct gw_error *err);

/* Whether the schema is one this release can serve. conninfo: the serving role's. Returns 0, or
 * -1 with GW_ERR_UNAVAILABLE: no connection, too old, too new, or changed. */
int gw_db_migrate_check(const char *conninfo, struct gw_error *err);

struct gw_db_migration {
        int no;
        const char *name; /* "0001_record" */
        const char *sql;
};

/* In the order of their numbers. They make the function gw_grant(role text), which grants the
 * serving role what the gateway needs, no more, and may be repeated. */
struct gw_db_migration_set {
        const struct gw_db_migration *files;
        size_t count;
};

/* This release's. Generated. */
extern const struct gw_db_migration_set gw_db_migrations;

/* The same as above for any set. */
int gw_db_migrate_set(const char *conninfo, const char *serving_role,
                      const struct gw_db_migration_set *set, struct gw_error *err);
int gw_db_migrate_check_set(const char *conninfo, const struct gw_db_migration_set *set,
                            struct gw_error *err);

#endif
