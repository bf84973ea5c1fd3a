/* Reading and writing what the backends offer. Runs on the thread of whichever session it is
 * given to. */
#include "db/backends.h"

#include <string.h>

/* ---- list --------------------------------------------------------------------------------- */

static void list_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        (void)cmd;
        (void)in;
}

static void list_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_backend_list *c = GW_DB_COMMAND(cmd, struct gw_db_backend_list);
        struct gw_backend_row b = {
                .name = gw_db_get_text(row, 1, NULL),
                .type = gw_db_get_text(row, 2, NULL),
                .offer = gw_db_get_text(row, 3, NULL),
                .reachable = gw_db_get_bool(row, 4),
                .observed_us = gw_db_get_time(row, 5),
        };
        c->each(c->arg, &b);
}

static const struct gw_db_kind list_kind = {
        .name = "backend_list",
        .sql = "SELECT 0, name, type, offer::text, reachable, observed_at FROM backends ORDER BY name",
        .encode = list_encode,
        .row = list_row,
        .batch_max = 1,
};

void gw_db_backend_list_init(struct gw_db_backend_list *c)
{
        c->cmd.kind = &list_kind;
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
               " SELECT name, type, offer, reachable, now() FROM {input} d"
               " ON CONFLICT (name) DO UPDATE SET type = excluded.type,"
               "  offer = coalesce(excluded.offer, b.offer), reachable = excluded.reachable,"
               "  observed_at = excluded.observed_at"
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
