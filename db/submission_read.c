/* Reading a submission. Runs on the thread of whichever session it is given to. */
#include <stdlib.h>
#include <string.h>

#include "db/jobs.h"
#include "db/sql.h"

static const struct gw_db_column columns[] = {{"job_id", GW_DB_UUID}, {"no", GW_DB_INT4}};

static void encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_submission_get *c = GW_DB_COMMAND(cmd, struct gw_db_submission_get);
        gw_db_put_uuid(in, c->job);
        gw_db_put_int4(in, c->no);
}

static void take_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_submission_get *c = GW_DB_COMMAND(cmd, struct gw_db_submission_get);
        gw_db_submission_get_done(c); /* of an answer that was lost */
        c->identity = gw_db_copy_text(row, 1);
        c->ref = gw_db_copy_text(row, 2);
        c->ordinals = gw_db_copy_text(row, 3);
        c->index_set = gw_db_copy_text(row, 4);
        c->found = gw_db_get_int4(row, 5);
        c->attempt = gw_db_get_int4(row, 6);
        c->spec = gw_db_copy_text(row, 7);
        c->most_tasks = gw_db_get_int4(row, 8);
}

/* Submissions from before their identity was recorded have the project's of now. */
/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind kind = {
        .name = "submission_get",
        .sql = "SELECT d.ord, coalesce(s.identity, pb.identity)::text, s.ref, s.ordinals, sp.index_set,"
               "  s.no, s.attempt, " GW_SQL_SCRIPT ", coalesce(s.most_tasks, 0)"
               " FROM {input} d"
               " JOIN LATERAL (SELECT * FROM submissions s WHERE s.job_id = d.job_id AND (d.no = 0 OR s.no = d.no)"
               "  ORDER BY s.no DESC LIMIT 1) s ON true"
               " JOIN LATERAL (SELECT * FROM jobs j WHERE j.id = d.job_id LIMIT 1) j ON true"
               " JOIN LATERAL (SELECT * FROM job_specs sp WHERE sp.job_id = d.job_id LIMIT 1) sp ON true"
               " LEFT JOIN project_backends pb ON pb.project_id = j.project_id AND pb.backend = j.backend",
        .columns = columns,
        .column_count = GW_COUNT(columns),
        .encode = encode,
        .row = take_row,
};
/* clang-format on */

void gw_db_submission_get_init(struct gw_db_submission_get *c)
{
        c->cmd.kind = &kind;
        c->identity = c->ref = c->ordinals = c->index_set = c->spec = NULL;
}

void gw_db_submission_get_done(struct gw_db_submission_get *c)
{
        free(c->identity);
        free(c->ref);
        free(c->ordinals);
        free(c->index_set);
        free(c->spec);
        c->identity = c->ref = c->ordinals = c->index_set = c->spec = NULL;
}
