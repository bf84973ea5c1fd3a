/*
 * Writing what a scheduler has made of submissions. Runs on the leader's thread.
 *
 * It is told apart from what happens to the job, and makes no event; but whoever has the job as of
 * a version is to see it.
 */
#include "db/record.h"

#include "db/sql.h"

static const struct gw_db_column columns[] = {
        {"lease", GW_DB_TEXT}, {"epoch", GW_DB_INT8},  {"id", GW_DB_UUID},
        {"no", GW_DB_INT4},    {"about", GW_DB_JSONB},
};

static void encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_about_write *c = GW_DB_COMMAND(cmd, struct gw_db_about_write);
        gw_db_put_text(in, c->lease);
        gw_db_put_int8(in, c->epoch);
        gw_db_put_uuid(in, c->job);
        gw_db_put_int4(in, (int32_t)c->no);
        gw_db_put_text(in, c->about);
}

static int order(const struct gw_db_command *a, const struct gw_db_command *b)
{
        return gw_id_compare(&GW_DB_COMMAND(a, struct gw_db_about_write)->job,
                             &GW_DB_COMMAND(b, struct gw_db_about_write)->job);
}

/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind kind = {
        .name = "about_write",
        .sql = GW_SQL_FENCE
               " w AS MATERIALIZED (SELECT j.id FROM f, d, LATERAL (SELECT j.id FROM jobs j WHERE j.id = d.id"
               "  AND j.state IN " GW_SQL_LIVE " LIMIT 1 FOR UPDATE) j),"
               " s AS (UPDATE submissions s SET about = d.about FROM w JOIN d USING (id)"
               "  WHERE s.job_id = w.id AND s.no = d.no AND s.about IS DISTINCT FROM d.about RETURNING s.job_id),"
               " u AS (UPDATE jobs j SET version = j.version + 1 FROM (SELECT DISTINCT job_id FROM s) s"
               "  WHERE j.id = s.job_id RETURNING j.id)"
               " SELECT d.ord FROM u JOIN d USING (id)",
        .columns = columns,
        .column_count = GW_COUNT(columns),
        .encode = encode,
        .order = order,
};
/* clang-format on */

void gw_db_about_write_init(struct gw_db_about_write *c)
{
        c->cmd.kind = &kind;
}
