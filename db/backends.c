/* Reading and writing what the backends offer. Runs on the thread of whichever session it is
 * given to. */
#include "db/backends.h"

#include <string.h>

#include "db/sql.h"

/* ---- list --------------------------------------------------------------------------------- */

static void list_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        (void)cmd;
        (void)in;
}

/* Whom the accounting of a cluster knows, and what namespaces have, is for nobody as a whole. */
#define SHOWN                                                                                      \
        "b.name, b.type, (b.offer - '{users,namespaces}'::text[])::text, b.reachable, b.observed_at"

static struct gw_backend_row row_of(const struct gw_db_row *row)
{
        return (struct gw_backend_row){
                .name = gw_db_get_text(row, 1, NULL),
                .type = gw_db_get_text(row, 2, NULL),
                .offer = gw_db_get_text(row, 3, NULL),
                .reachable = gw_db_get_bool(row, 4),
                .observed_us = gw_db_get_time(row, 5),
        };
}

static void list_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_backend_list *c = GW_DB_COMMAND(cmd, struct gw_db_backend_list);
        struct gw_backend_row b = row_of(row);
        c->each(c->arg, &b);
}

static const struct gw_db_kind list_kind = {
        .name = "backend_list",
        .sql = "SELECT 0, " SHOWN " FROM backends b ORDER BY b.name",
        .encode = list_encode,
        .row = list_row,
        .batch_max = 1,
};

void gw_db_backend_list_init(struct gw_db_backend_list *c)
{
        c->cmd.kind = &list_kind;
}

/* ---- get ---------------------------------------------------------------------------------- */

static const struct gw_db_column get_columns[] = {
        {"name", GW_DB_TEXT},
        {"projects", GW_DB_TEXT},
};

static void get_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_backend_get *c = GW_DB_COMMAND(cmd, struct gw_db_backend_get);
        gw_db_put_text(in, c->name);
        gw_db_put_text(in, c->projects);
}

/* The first has the backend; one that has a project, has the access of that. */
static void get_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_backend_get *c = GW_DB_COMMAND(cmd, struct gw_db_backend_get);
        struct gw_backend_access access = {
                .project = gw_db_get_text(row, 6, NULL),
                .user = gw_db_get_text(row, 7, NULL),
                .account = gw_db_get_text(row, 8, NULL),
                .grants = gw_db_get_text(row, 9, NULL),
                .namespace = gw_db_get_text(row, 10, NULL),
                .service_account = gw_db_get_text(row, 11, NULL),
                .quotas = gw_db_get_text(row, 12, NULL),
        };
        if (access.project) {
                c->each(c->arg, &access);
        } else {
                struct gw_backend_row b = row_of(row);
                c->take(c->arg, &b);
        }
}

/* clang-format off */
static const struct gw_db_kind get_kind = {
        .name = "backend_get",
        .sql = "WITH d AS MATERIALIZED (SELECT * FROM {input} input)"
               " SELECT d.ord, " SHOWN ", NULL AS project, NULL, NULL, NULL, NULL, NULL, NULL"
               "  FROM d JOIN backends b ON b.name = d.name"
               " UNION ALL "
               " SELECT d.ord, NULL, NULL, NULL, NULL, NULL, p.name, i.identity ->> 'user',"
               "   i.identity ->> 'account',"
               "   (SELECT coalesce(b.offer -> 'users' -> (i.identity ->> 'user'), '[]')::text"
               "     FROM backends b WHERE b.name = d.name AND b.offer ? 'users'),"
               "   i.identity ->> 'namespace', i.identity ->> 'service_account',"
               "   (SELECT (b.offer -> 'namespaces' -> (i.identity ->> 'namespace'))::text"
               "     FROM backends b WHERE b.name = d.name)"
               "  FROM d JOIN project_backends i ON i.backend = d.name"
               "   AND i.project_id = ANY (" GW_SQL_PROJECTS("d.projects") ")"
               "  JOIN projects p ON p.id = i.project_id"
               " ORDER BY ord, project NULLS FIRST",
        .columns = get_columns,
        .column_count = GW_COUNT(get_columns),
        .encode = get_encode,
        .row = get_row,
};
/* clang-format on */

void gw_db_backend_get_init(struct gw_db_backend_get *c)
{
        c->cmd.kind = &get_kind;
}

/* ---- describe ----------------------------------------------------------------------------- */

static const struct gw_db_column describe_columns[] = {
        {"name", GW_DB_TEXT},
        {"type", GW_DB_TEXT},
        {"offer", GW_DB_JSONB},
        {"reachable", GW_DB_BOOL},
};

static void describe_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_backend_describe *c = GW_DB_COMMAND(cmd, struct gw_db_backend_describe);
        gw_db_put_text(in, c->name);
        gw_db_put_text(in, c->type);
        gw_db_put_text(in, c->offer);
        gw_db_put_bool(in, c->reachable);
}

static int describe_order(const struct gw_db_command *a, const struct gw_db_command *b)
{
        return strcmp(GW_DB_COMMAND(a, struct gw_db_backend_describe)->name,
                      GW_DB_COMMAND(b, struct gw_db_backend_describe)->name);
}

/* Alone in its statement: two for one backend would touch the same row twice. */
static const struct gw_db_kind describe_kind = {
        .name = "backend_describe",
        .sql = "INSERT INTO backends AS b (name, type, offer, reachable, observed_at)"
               " SELECT name, type, offer, reachable, CASE WHEN offer IS NOT NULL THEN now() END"
               " FROM {input} d"
               " ON CONFLICT (name) DO UPDATE SET type = excluded.type,"
               "  offer = coalesce(excluded.offer, b.offer), reachable = excluded.reachable,"
               "  observed_at = coalesce(excluded.observed_at, b.observed_at)"
               " RETURNING 0",
        .columns = describe_columns,
        .column_count = GW_COUNT(describe_columns),
        .encode = describe_encode,
        .order = describe_order,
        .batch_max = 1,
};

void gw_db_backend_describe_init(struct gw_db_backend_describe *c)
{
        c->cmd.kind = &describe_kind;
}
