/*
 * Who a token stands for. What the command line does with users, projects and tokens is in
 * people_admin.c. Runs on the thread of whichever session it is given to.
 */
#include "db/people.h"

#include <string.h>

#include "server/base/str.h"

static const struct gw_db_column principal_columns[] = {{"hash", GW_DB_BYTES}};

static void principal_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_principal *c = GW_DB_COMMAND(cmd, struct gw_db_principal);
        gw_db_put_bytes(in, c->hash, sizeof c->hash);
}

static void principal_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_principal *c = GW_DB_COMMAND(cmd, struct gw_db_principal);
        c->token_id = gw_db_get_int8(row, 1);
        c->user_id = gw_db_get_int8(row, 2);
        gw_str_copy(c->user, sizeof c->user, gw_db_get_text(row, 3, NULL));
        gw_str_copy(c->scopes, sizeof c->scopes, gw_db_get_text(row, 4, NULL));
        c->expires_us = gw_db_get_time(row, 5);
        if (gw_db_is_null(row, 6))
                return;
        struct gw_membership_row m = {
                .project_id = gw_db_get_int8(row, 6),
                .project = gw_db_get_text(row, 7, NULL),
                .role = gw_db_get_text(row, 8, NULL),
                .default_backend = gw_db_get_text(row, 9, NULL),
        };
        c->each(c->arg, &m);
}

static const struct gw_db_kind principal_kind = {
        .name = "principal",
        .sql = "SELECT d.ord, t.id, u.id, u.name, array_to_string(t.scopes, ','), t.expires_at,"
               " p.id, p.name, m.role, p.default_backend"
               " FROM {input} d JOIN tokens t ON t.hash = d.hash AND t.revoked_at IS NULL"
               "  AND (t.expires_at IS NULL OR t.expires_at > now())"
               " JOIN users u ON u.id = t.user_id AND u.disabled_at IS NULL"
               " LEFT JOIN memberships m ON m.user_id = u.id"
               "  AND (t.project_id IS NULL OR t.project_id = m.project_id)"
               " LEFT JOIN projects p ON p.id = m.project_id AND p.disabled_at IS NULL"
               " ORDER BY d.ord, p.name",
        .columns = principal_columns,
        .column_count = GW_COUNT(principal_columns),
        .encode = principal_encode,
        .row = principal_row,
};

void gw_db_principal_init(struct gw_db_principal *c)
{
        c->cmd.kind = &principal_kind;
}

static const struct gw_db_column used_columns[] = {{"id", GW_DB_INT8}};

static void used_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_int8(in, GW_DB_COMMAND(cmd, struct gw_db_token_used)->token_id);
}

static int used_order(const struct gw_db_command *a, const struct gw_db_command *b)
{
        int64_t x = GW_DB_COMMAND(a, struct gw_db_token_used)->token_id;
        int64_t y = GW_DB_COMMAND(b, struct gw_db_token_used)->token_id;
        return (x > y) - (x < y);
}

static const struct gw_db_kind used_kind = {
        .name = "token_used",
        .sql = "WITH w AS MATERIALIZED (SELECT d.ord, t.id FROM {input} d, LATERAL (SELECT t.id"
               "  FROM tokens t WHERE t.id = d.id AND t.last_used_on IS DISTINCT FROM current_date"
               "  LIMIT 1 FOR UPDATE) t)"
               " UPDATE tokens t SET last_used_on = current_date FROM w WHERE t.id = w.id"
               " RETURNING w.ord",
        .columns = used_columns,
        .column_count = GW_COUNT(used_columns),
        .encode = used_encode,
        .order = used_order,
};

void gw_db_token_used_init(struct gw_db_token_used *c)
{
        c->cmd.kind = &used_kind;
}

/* ---- identities ---------------------------------------------------------------------------- */

static const struct gw_db_column identity_columns[] = {{"project_id", GW_DB_INT8},
                                                       {"backend", GW_DB_TEXT}};

static void identity_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_identity_get *c = GW_DB_COMMAND(cmd, struct gw_db_identity_get);
        gw_db_put_int8(in, c->project_id);
        gw_db_put_text(in, c->backend);
}

static void identity_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_identity_get *c = GW_DB_COMMAND(cmd, struct gw_db_identity_get);
        const char *text = gw_db_get_text(row, 1, NULL);
        c->identity = text ? strdup(text) : NULL;
        c->most_tasks = gw_db_get_int4(row, 2);
}

static const struct gw_db_kind identity_kind = {
        .name = "identity_get",
        .sql = "SELECT d.ord, pb.identity::text, coalesce((b.offer ->> 'max_array_size')::int, 0)"
               " FROM {input} d"
               " LEFT JOIN project_backends pb ON pb.project_id = d.project_id AND pb.backend = d.backend"
               " LEFT JOIN backends b ON b.name = d.backend",
        .columns = identity_columns,
        .column_count = GW_COUNT(identity_columns),
        .encode = identity_encode,
        .row = identity_row,
};

void gw_db_identity_get_init(struct gw_db_identity_get *c)
{
        c->cmd.kind = &identity_kind;
}
