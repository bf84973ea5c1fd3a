/* Users, projects, memberships and tokens as the command line makes and lists them. */
#include "db/people.h"

/* One id comes back: where it goes is the offset in the command's struct. */
#define ID_ROW(name, type)                                                                         \
        static void name(struct gw_db_command *cmd, const struct gw_db_row *row)                   \
        {                                                                                          \
                GW_DB_COMMAND(cmd, type)->id = gw_db_get_int8(row, 1);                             \
        }

ID_ROW(user_row, struct gw_db_user_create)
ID_ROW(project_row, struct gw_db_project_create)
ID_ROW(token_row, struct gw_db_token_create)

static const struct gw_db_column user_columns[] = {{"name", GW_DB_TEXT}};

static void user_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_text(in, GW_DB_COMMAND(cmd, struct gw_db_user_create)->name);
}

static const struct gw_db_kind user_kind = {
        .name = "user_create",
        .sql = "INSERT INTO users (subject, name) SELECT d.name, d.name FROM {input} d"
               " ON CONFLICT DO NOTHING RETURNING 0, id",
        .columns = user_columns,
        .column_count = GW_COUNT(user_columns),
        .encode = user_encode,
        .row = user_row,
        .batch_max = 1,
};

void gw_db_user_create_init(struct gw_db_user_create *c)
{
        c->cmd.kind = &user_kind;
}

static const struct gw_db_column project_columns[] = {{"name", GW_DB_TEXT},
                                                      {"default_backend", GW_DB_TEXT}};

static void project_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_project_create *c = GW_DB_COMMAND(cmd, struct gw_db_project_create);
        gw_db_put_text(in, c->name);
        gw_db_put_text(in, c->default_backend);
}

static const struct gw_db_kind project_kind = {
        .name = "project_create",
        .sql = "INSERT INTO projects (name, default_backend) SELECT d.name, d.default_backend"
               " FROM {input} d ON CONFLICT DO NOTHING RETURNING 0, id",
        .columns = project_columns,
        .column_count = GW_COUNT(project_columns),
        .encode = project_encode,
        .row = project_row,
        .batch_max = 1,
};

void gw_db_project_create_init(struct gw_db_project_create *c)
{
        c->cmd.kind = &project_kind;
}

static const struct gw_db_column member_columns[] = {
        {"project", GW_DB_TEXT}, {"user_name", GW_DB_TEXT}, {"role", GW_DB_TEXT}};

static void member_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_member_set *c = GW_DB_COMMAND(cmd, struct gw_db_member_set);
        gw_db_put_text(in, c->project);
        gw_db_put_text(in, c->user);
        gw_db_put_text(in, c->role);
}

static const struct gw_db_kind member_kind = {
        .name = "member_set",
        .sql = "INSERT INTO memberships (project_id, user_id, role)"
               " SELECT p.id, u.id, d.role FROM {input} d JOIN projects p ON p.name = d.project"
               " JOIN users u ON u.issuer = '' AND u.subject = d.user_name"
               " ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role RETURNING 0",
        .columns = member_columns,
        .column_count = GW_COUNT(member_columns),
        .encode = member_encode,
        .batch_max = 1,
};

void gw_db_member_set_init(struct gw_db_member_set *c)
{
        c->cmd.kind = &member_kind;
}

static const struct gw_db_column identity_columns[] = {
        {"project", GW_DB_TEXT}, {"backend", GW_DB_TEXT}, {"identity", GW_DB_JSONB}};

static void identity_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_identity_set *c = GW_DB_COMMAND(cmd, struct gw_db_identity_set);
        gw_db_put_text(in, c->project);
        gw_db_put_text(in, c->backend);
        gw_db_put_text(in, c->identity);
}

static const struct gw_db_kind identity_kind = {
        .name = "identity_set",
        .sql = "INSERT INTO project_backends (project_id, backend, identity)"
               " SELECT p.id, d.backend, d.identity FROM {input} d"
               " JOIN projects p ON p.name = d.project"
               " ON CONFLICT (project_id, backend) DO UPDATE SET identity = excluded.identity"
               " RETURNING 0",
        .columns = identity_columns,
        .column_count = GW_COUNT(identity_columns),
        .encode = identity_encode,
        .batch_max = 1,
};

void gw_db_identity_set_init(struct gw_db_identity_set *c)
{
        c->cmd.kind = &identity_kind;
}

static const struct gw_db_column token_columns[] = {
        {"user_name", GW_DB_TEXT}, {"project", GW_DB_TEXT}, {"name", GW_DB_TEXT},
        {"scopes", GW_DB_TEXT},    {"expires", GW_DB_TIME}, {"hash", GW_DB_BYTES},
};

static void token_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_token_create *c = GW_DB_COMMAND(cmd, struct gw_db_token_create);
        gw_db_put_text(in, c->user);
        gw_db_put_text(in, c->project);
        gw_db_put_text(in, c->name);
        gw_db_put_text(in, c->scopes);
        gw_db_put_time(in, c->expires_us);
        gw_db_put_bytes(in, c->hash, sizeof c->hash);
}

static const struct gw_db_kind token_kind = {
        .name = "token_create",
        .sql = "INSERT INTO tokens (hash, name, user_id, project_id, scopes, expires_at)"
               " SELECT d.hash, d.name, u.id, p.id, string_to_array(d.scopes, ','), d.expires"
               " FROM {input} d JOIN users u ON u.issuer = '' AND u.subject = d.user_name"
               " LEFT JOIN projects p ON p.name = d.project"
               " WHERE d.project IS NULL OR p.id IS NOT NULL RETURNING 0, id",
        .columns = token_columns,
        .column_count = GW_COUNT(token_columns),
        .encode = token_encode,
        .row = token_row,
        .batch_max = 1,
};

void gw_db_token_create_init(struct gw_db_token_create *c)
{
        c->cmd.kind = &token_kind;
}

static void list_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_text(in, GW_DB_COMMAND(cmd, struct gw_db_token_list)->user);
}

static void list_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_token_list *c = GW_DB_COMMAND(cmd, struct gw_db_token_list);
        struct gw_token_row t = {
                .id = gw_db_get_int8(row, 1),
                .name = gw_db_get_text(row, 2, NULL),
                .user = gw_db_get_text(row, 3, NULL),
                .project = gw_db_get_text(row, 4, NULL),
                .scopes = gw_db_get_text(row, 5, NULL),
                .created_us = gw_db_get_time(row, 6),
                .expires_us = gw_db_get_time(row, 7),
                .revoked_us = gw_db_get_time(row, 8),
                .last_used = gw_db_get_text(row, 9, NULL),
        };
        c->each(c->arg, &t);
}

static const struct gw_db_kind token_list_kind = {
        .name = "token_list",
        .sql = "SELECT d.ord, t.id, t.name, u.name, p.name, array_to_string(t.scopes, ','),"
               " t.created_at, t.expires_at, t.revoked_at, t.last_used_on::text"
               " FROM {input} d JOIN users u ON d.name IS NULL OR u.name = d.name"
               " JOIN tokens t ON t.user_id = u.id LEFT JOIN projects p ON p.id = t.project_id"
               " ORDER BY t.id",
        .columns = user_columns,
        .column_count = GW_COUNT(user_columns),
        .encode = list_encode,
        .row = list_row,
        .batch_max = 1,
};

void gw_db_token_list_init(struct gw_db_token_list *c)
{
        c->cmd.kind = &token_list_kind;
}

static const struct gw_db_column revoke_columns[] = {{"id", GW_DB_INT8}};

static void revoke_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_int8(in, GW_DB_COMMAND(cmd, struct gw_db_token_revoke)->id);
}

static const struct gw_db_kind revoke_kind = {
        .name = "token_revoke",
        .sql = "UPDATE tokens t SET revoked_at = now() FROM {input} d"
               " WHERE t.id = d.id AND t.revoked_at IS NULL RETURNING d.ord",
        .columns = revoke_columns,
        .column_count = GW_COUNT(revoke_columns),
        .encode = revoke_encode,
        .batch_max = 1,
};

void gw_db_token_revoke_init(struct gw_db_token_revoke *c)
{
        c->cmd.kind = &revoke_kind;
}
