/* See housekeeping.h. Used on the janitor's own session. */
#include "db/housekeeping.h"

#include "db/sql.h"
#include "server/base/clock.h"

static const struct gw_db_column partitions_columns[] = {{"keep_from", GW_DB_TIME},
                                                         {"here", GW_DB_TIME}};

static void partitions_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_partitions *c = GW_DB_COMMAND(cmd, struct gw_db_partitions);
        gw_db_put_time(in, c->keep_from_us);
        gw_db_put_time(in, c->now_us);
}

static void partitions_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_partitions *c = GW_DB_COMMAND(cmd, struct gw_db_partitions);
        c->done = true;
        c->made = gw_db_get_int4(row, 1);
        c->dropped = gw_db_get_int4(row, 2);
}

/* Of two clocks that differ, the one that is behind decides: one that jumped ahead must not cost a
 * record. */
static const struct gw_db_kind partitions_kind = {
        .name = "partitions",
        .sql = "SELECT d.ord, gw_make_partitions(now()),"
               " CASE WHEN d.keep_from IS NULL THEN 0 ELSE gw_drop_partitions("
               "  least(d.keep_from, now() - (d.here - d.keep_from))) END"
               " FROM (SELECT pg_try_advisory_xact_lock(7204) AS got OFFSET 0) l, {input} d"
               " WHERE l.got",
        .columns = partitions_columns,
        .column_count = GW_COUNT(partitions_columns),
        .encode = partitions_encode,
        .row = partitions_row,
        .batch_max = 1,
};

void gw_db_partitions_init(struct gw_db_partitions *c)
{
        c->cmd.kind = &partitions_kind;
        c->now_us = gw_clock_wall_us();
}

static const struct gw_db_column expire_columns[] = {{"lim", GW_DB_INT4}};

static void expire_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_int4(in, GW_DB_COMMAND(cmd, struct gw_db_expire_keys)->limit);
}

static const struct gw_db_kind expire_kind = {
        .name = "expire_keys",
        .sql = "WITH w AS (DELETE FROM task_wishes w WHERE NOT EXISTS (SELECT FROM jobs j"
               "  WHERE j.id = w.job_id AND j.state IN " GW_SQL_LIVE ")),"
               " v AS (DELETE FROM dead_wishes w WHERE NOT EXISTS (SELECT FROM jobs j"
               "  WHERE j.id = w.job_id AND j.state IN " GW_SQL_LIVE "))"
               " DELETE FROM idempotency i USING (SELECT k.project_id, k.user_id, k.key"
               "  FROM idempotency k WHERE k.expires_at < now()"
               "  LIMIT (SELECT lim FROM {input} d) FOR UPDATE SKIP LOCKED) x"
               " WHERE (i.project_id, i.user_id, i.key) = (x.project_id, x.user_id, x.key)"
               " RETURNING 0",
        .columns = expire_columns,
        .column_count = GW_COUNT(expire_columns),
        .encode = expire_encode,
        .batch_max = 1,
};

void gw_db_expire_keys_init(struct gw_db_expire_keys *c)
{
        c->cmd.kind = &expire_kind;
}

static void counts_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        (void)cmd;
        (void)in;
}

static void counts_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        enum gw_state state;
        if (gw_state_parse(gw_db_get_text(row, 1, NULL), &state) == 0)
                GW_DB_COMMAND(cmd, struct gw_db_job_counts)->counts[state] = gw_db_get_int8(row, 2);
}

/* Per project and state, so that each count is a range of one index. */
static const struct gw_db_kind counts_kind = {
        .name = "job_counts",
        .sql = "SELECT 0, s.state, sum(n.n)::bigint FROM projects p,"
               " (VALUES ('queued'), ('pending'), ('running')) s (state), LATERAL"
               " (SELECT count(*) AS n FROM jobs j WHERE j.project_id = p.id AND j.state = s.state) n"
               " GROUP BY s.state",
        .encode = counts_encode,
        .row = counts_row,
        .batch_max = 1,
};

void gw_db_job_counts_init(struct gw_db_job_counts *c)
{
        c->cmd.kind = &counts_kind;
}
