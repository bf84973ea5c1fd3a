/*
 * The migration runner. Runs on the caller's thread, before there are others, on a session of
 * its own; everything between the lock and the session's end is safe from a second process.
 */
#include "db/migrate.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "db/db.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define HEX_SHA256 65

static int checksum_of(const char *sql, char out[HEX_SHA256])
{
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        if (!EVP_Digest(sql, strlen(sql), digest, &len, EVP_sha256(), NULL))
                return -1;
        for (unsigned i = 0; i < len; i++)
                snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
        return 0;
}

/* ---- what is applied ----------------------------------------------------------------- */

/* SELECT of the applied migrations, each compared with the set as its row comes in. */
struct applied {
        struct gw_db_command command;
        const struct gw_db_migration_set *set;
        size_t count;
        struct gw_error fault;
};

static void compare_applied(struct gw_db_command *c, const struct gw_db_row *row)
{
        struct applied *a = GW_CONTAINER(c, struct applied, command);
        const char *name = gw_db_get_text(row, 2, NULL);
        size_t i = a->count++;
        if (gw_db_get_int4(row, 1) != (int32_t)(i + 1)) {
                gw_fail(&a->fault, GW_ERR_UNAVAILABLE,
                        "migration %s is in the database and the one before it is not", name);
                return;
        }
        if (i >= a->set->count)
                return;
        char checksum[HEX_SHA256] = "";
        if (checksum_of(a->set->files[i].sql, checksum) < 0 ||
            strcmp(checksum, gw_db_get_text(row, 3, NULL)) != 0)
                gw_fail(&a->fault, GW_ERR_UNAVAILABLE,
                        "migration %s was changed after it was applied", name);
}

static const struct gw_db_kind select_applied = {
        .name = "migrations_applied",
        .sql = "SELECT d.ord, m.no, m.name, m.checksum FROM {input} AS d "
               "CROSS JOIN schema_migrations AS m ORDER BY m.no",
        .row = compare_applied,
        .batch_max = 1,
};

/* *ret: how many are applied. A database that this release cannot serve is an error. */
static int load_applied(struct gw_db_session *s, const struct gw_db_migration_set *set, size_t *ret,
                        struct gw_error *err)
{
        struct applied a = {.command.kind = &select_applied, .set = set};
        if (gw_db_session_run_one(s, &a.command, err) < 0)
                return -1;
        if (a.fault.code != GW_OK)
                return gw_fail(err, a.fault.code, "%s", a.fault.message);
        if (a.count > set->count + 1)
                return gw_fail(err, GW_ERR_UNAVAILABLE,
                               "the database's schema is %zu, and this release knows %zu and the "
                               "one after it: use a newer release",
                               a.count, set->count);
        *ret = a.count;
        return 0;
}

static const struct gw_db_kind select_table = {
        .name = "migrations_table",
        .sql = "SELECT d.ord FROM {input} AS d WHERE to_regclass('schema_migrations') IS NOT NULL",
};

/* ---- applying ------------------------------------------------------------------------ */

struct record {
        struct gw_db_command command;
        const struct gw_db_migration *migration;
        char checksum[HEX_SHA256];
};

static void encode_record(const struct gw_db_command *c, struct gw_db_input *in)
{
        const struct record *r = GW_CONTAINER(c, const struct record, command);
        gw_db_put_int4(in, r->migration->no);
        gw_db_put_text(in, r->migration->name);
        gw_db_put_text(in, r->checksum);
}

static const struct gw_db_column record_columns[] = {
        {"no", GW_DB_INT4}, {"name", GW_DB_TEXT}, {"checksum", GW_DB_TEXT}};

static const struct gw_db_kind insert_record = {
        .name = "migrations_record",
        .sql = "INSERT INTO schema_migrations (no, name, checksum) "
               "SELECT d.no, d.name, d.checksum FROM {input} AS d",
        .columns = record_columns,
        .column_count = GW_COUNT(record_columns),
        .encode = encode_record,
};

/* A failure leaves the transaction open; the session's end rolls it back. */
static int apply_in_transaction(struct gw_db_session *s, const struct gw_db_migration *m,
                                struct gw_error *err)
{
        struct record r = {.command.kind = &insert_record, .migration = m};
        if (checksum_of(m->sql, r.checksum) < 0)
                return gw_fail(err, GW_ERR_INTERNAL, "no SHA-256");
        if (gw_db_session_exec(s, "BEGIN", err) < 0 || gw_db_session_exec(s, m->sql, err) < 0 ||
            gw_db_session_run_one(s, &r.command, err) < 0 ||
            gw_db_session_exec(s, "COMMIT", err) < 0)
                return gw_fail_within(err, m->name);
        return 0;
}

static int apply(struct gw_db_session *s, const struct gw_db_migration *m, struct gw_error *err)
{
        int64_t begun = gw_clock_mono_us();
        if (apply_in_transaction(s, m, err) < 0)
                return -1;
        gw_log(GW_LOG_INFO, "migrate.applied", "{s:s, s:I}", "migration", m->name, "ms",
               (gw_clock_mono_us() - begun) / 1000);
        return 0;
}

/* ---- grants -------------------------------------------------------------------------- */

struct grant {
        struct gw_db_command command;
        const char *role;
};

static void encode_grant(const struct gw_db_command *c, struct gw_db_input *in)
{
        gw_db_put_text(in, GW_CONTAINER(c, const struct grant, command)->role);
}

static const struct gw_db_column grant_columns[] = {{"role", GW_DB_TEXT}};

static const struct gw_db_kind call_grant = {
        .name = "migrations_grant",
        .sql = "SELECT d.ord, gw_grant(d.role)::text FROM {input} AS d",
        .columns = grant_columns,
        .column_count = GW_COUNT(grant_columns),
        .encode = encode_grant,
};

static int grant_to(struct gw_db_session *s, const char *role, struct gw_error *err)
{
        struct grant g = {.command.kind = &call_grant, .role = role};
        if (gw_db_session_run_one(s, &g.command, err) < 0)
                return gw_fail_within(err, "the serving role's grants");
        gw_log(GW_LOG_INFO, "migrate.granted", "{s:s}", "role", role);
        return 0;
}

/* ---- from outside -------------------------------------------------------------------- */

static struct gw_db_session *open_session(const char *conninfo, struct gw_error *err)
{
        return gw_db_session_open(
                &(struct gw_db_session_settings){.conninfo = conninfo,
                                                 .application_name = "jobgate migrate"},
                err);
}

static int migrate(struct gw_db_session *s, const char *serving_role,
                   const struct gw_db_migration_set *set, struct gw_error *err)
{
        size_t applied = 0;
        if (gw_db_session_exec(s, "SELECT pg_advisory_lock(7200)", err) < 0 ||
            gw_db_session_exec(s,
                               "CREATE TABLE IF NOT EXISTS schema_migrations ("
                               "no int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
                               "applied_at timestamptz NOT NULL DEFAULT now())",
                               err) < 0 ||
            load_applied(s, set, &applied, err) < 0)
                return -1;
        size_t already = applied;
        for (; applied < set->count; applied++) {
                if (apply(s, &set->files[applied], err) < 0)
                        return -1;
        }
        if (serving_role && grant_to(s, serving_role, err) < 0)
                return -1;
        gw_log(GW_LOG_INFO, "migrate.done", "{s:I, s:I}", "schema", (json_int_t)applied, "applied",
               (json_int_t)(applied - already));
        return 0;
}

int gw_db_migrate_set(const char *conninfo, const char *serving_role,
                      const struct gw_db_migration_set *set, struct gw_error *err)
{
        struct gw_db_session *s = open_session(conninfo, err);
        if (!s)
                return -1;
        int ret = migrate(s, serving_role, set, err);
        gw_db_session_close(s);
        return ret;
}

static int check(struct gw_db_session *s, const struct gw_db_migration_set *set,
                 struct gw_error *err)
{
        struct gw_db_command table = {.kind = &select_table};
        size_t applied = 0;
        if (gw_db_session_run_one(s, &table, err) < 0 ||
            (table.rows > 0 && load_applied(s, set, &applied, err) < 0))
                return -1;
        if (applied < set->count)
                return gw_fail(err, GW_ERR_UNAVAILABLE,
                               "the database's schema is %zu, and this release needs %zu: run "
                               "jobgate --migrate",
                               applied, set->count);
        return 0;
}

int gw_db_migrate_check_set(const char *conninfo, const struct gw_db_migration_set *set,
                            struct gw_error *err)
{
        struct gw_db_session *s = open_session(conninfo, err);
        if (!s)
                return -1;
        int ret = check(s, set, err);
        gw_db_session_close(s);
        return ret;
}

int gw_db_migrate(const char *conninfo, const char *serving_role, struct gw_error *err)
{
        return gw_db_migrate_set(conninfo, serving_role, &gw_db_migrations, err);
}

int gw_db_migrate_check(const char *conninfo, struct gw_error *err)
{
        return gw_db_migrate_check_set(conninfo, &gw_db_migrations, err);
}
