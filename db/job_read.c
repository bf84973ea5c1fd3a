/*
 * Reading jobs: one by id, and pages by filters. Runs on the thread of whichever session it is
 * given to.
 */
#include "db/jobs.h"

#include "db/job_filter.h"

#define JOB_COLUMNS(cold)                                                                          \
        "j.id, j.project_id, j.user_id, p.name, u.name, j.backend, j.name, j.labels::text,"        \
        " j.version, j.state, j.reason, j.message, j.exit_code::int, j.signal::int, j.task_count," \
        " j.priority, j.attempt, to_json(j.counts)::text, j.held, j.not_before,"                   \
        " j.cancel_requested_at, j.started_at, j.ended_at, j.retry_of, " cold

/* What the scheduler has made of the latest submission. */
#define ABOUT                                                                                      \
        "(SELECT x.about FROM submissions x WHERE x.job_id = j.id AND x.no = j.submission"         \
        "  LIMIT 1)::text, "

/* LIMIT makes it a look-up for each job, never a join that reads the whole table. */
#define SPEC_OF(id) "LATERAL (SELECT * FROM job_specs s WHERE s.job_id = " id " LIMIT 1) s"

/* The columns of JOB_COLUMNS, after ord. */
enum {
        C_ID = 1,
        C_PROJECT_ID,
        C_USER_ID,
        C_PROJECT,
        C_OWNER,
        C_BACKEND,
        C_NAME,
        C_LABELS,
        C_VERSION,
        C_STATE,
        C_REASON,
        C_MESSAGE,
        C_EXIT_CODE,
        C_SIGNAL,
        C_TASK_COUNT,
        C_PRIORITY,
        C_ATTEMPT,
        C_COUNTS,
        C_HELD,
        C_NOT_BEFORE,
        C_CANCEL,
        C_STARTED,
        C_ENDED,
        C_RETRY_OF,
        C_SCHEDULER,
        C_SPEC,
        C_INDEX_SET
};

static void read_job(const struct gw_db_row *row, struct gw_job_row *ret)
{
        *ret = (struct gw_job_row){
                .id = gw_db_get_uuid(row, C_ID),
                .project_id = gw_db_get_int8(row, C_PROJECT_ID),
                .user_id = gw_db_get_int8(row, C_USER_ID),
                .project = gw_db_get_text(row, C_PROJECT, NULL),
                .owner = gw_db_get_text(row, C_OWNER, NULL),
                .backend = gw_db_get_text(row, C_BACKEND, NULL),
                .name = gw_db_get_text(row, C_NAME, NULL),
                .labels = gw_db_get_text(row, C_LABELS, NULL),
                .version = gw_db_get_int4(row, C_VERSION),
                .reason = gw_db_get_text(row, C_REASON, NULL),
                .message = gw_db_get_text(row, C_MESSAGE, NULL),
                .exit_code =
                        gw_db_is_null(row, C_EXIT_CODE) ? -1 : gw_db_get_int4(row, C_EXIT_CODE),
                .signal = gw_db_get_int4(row, C_SIGNAL),
                .task_count = gw_db_get_int4(row, C_TASK_COUNT),
                .priority = gw_db_get_int4(row, C_PRIORITY),
                .attempt = gw_db_get_int4(row, C_ATTEMPT),
                .counts = gw_db_get_text(row, C_COUNTS, NULL),
                .held = gw_db_get_bool(row, C_HELD),
                .not_before_us = gw_db_get_time(row, C_NOT_BEFORE),
                .cancel_requested_us = gw_db_get_time(row, C_CANCEL),
                .started_us = gw_db_get_time(row, C_STARTED),
                .ended_us = gw_db_get_time(row, C_ENDED),
                .retry_of = gw_db_get_uuid(row, C_RETRY_OF),
        };
        ret->scheduler = gw_db_get_text(row, C_SCHEDULER, NULL);
        ret->spec = gw_db_get_text(row, C_SPEC, &ret->spec_len);
        ret->index_set = gw_db_get_text(row, C_INDEX_SET, NULL);
        /* The column holds only what gw_state_name() wrote. */
        if (gw_state_parse(gw_db_get_text(row, C_STATE, NULL), &ret->state) < 0)
                ret->state = GW_QUEUED;
}

/* ---- one --------------------------------------------------------------------------------- */

static const struct gw_db_column get_columns[] = {{"id", GW_DB_UUID}};

static void get_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_uuid(in, GW_DB_COMMAND(cmd, struct gw_db_job_get)->id);
}

static void get_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_job_get *c = GW_DB_COMMAND(cmd, struct gw_db_job_get);
        struct gw_job_row job;
        read_job(row, &job);
        c->each(c->arg, &job);
}

/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind get_kind = {
        .name = "job_get",
        .sql = "SELECT d.ord, " JOB_COLUMNS(ABOUT "s.spec::text, s.index_set") " FROM {input} d"
               " JOIN LATERAL (SELECT * FROM jobs j WHERE j.id = d.id LIMIT 1) j ON true"
               " JOIN " SPEC_OF("d.id") " ON true"
               " JOIN projects p ON p.id = j.project_id JOIN users u ON u.id = j.user_id",
        .columns = get_columns,
        .column_count = GW_COUNT(get_columns),
        .encode = get_encode,
        .row = get_row,
};
/* clang-format on */

void gw_db_job_get_init(struct gw_db_job_get *c)
{
        c->cmd.kind = &get_kind;
}

static void peek_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_uuid(in, GW_DB_COMMAND(cmd, struct gw_db_job_peek)->id);
}

static void peek_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct gw_db_job_peek)->version = gw_db_get_int4(row, 1);
}

/* clang-format off */
static const struct gw_db_kind peek_kind = {
        .name = "job_peek",
        .sql = "SELECT d.ord, j.version FROM {input} d"
               " JOIN LATERAL (SELECT version FROM jobs j WHERE j.id = d.id LIMIT 1) j ON true",
        .columns = get_columns,
        .column_count = GW_COUNT(get_columns),
        .encode = peek_encode,
        .row = peek_row,
};
/* clang-format on */

void gw_db_job_peek_init(struct gw_db_job_peek *c)
{
        c->cmd.kind = &peek_kind;
}

/* ---- many -------------------------------------------------------------------------------- */

static void list_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_job_list *c = GW_DB_COMMAND(cmd, struct gw_db_job_list);
        gw_job_filter_encode(&c->filter, in);
        gw_db_put_uuid(in, c->before);
}

static void list_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_job_list *c = GW_DB_COMMAND(cmd, struct gw_db_job_list);
        struct gw_job_row job;
        read_job(row, &job);
        c->each(c->arg, &job);
}

static const struct gw_db_column list_columns[] = {
        GW_JOB_FILTER_COLUMNS,
        {"cursor", GW_DB_UUID},
};

int gw_db_job_list_init(struct gw_db_job_list *c)
{
        struct gw_buf sql = GW_BUF_INIT(GW_JOB_FILTER_SQL);
        gw_buf_str(&sql, "SELECT d.ord, ");
        gw_buf_str(&sql, c->with_spec ? JOB_COLUMNS(ABOUT "s.spec::text, NULL::text")
                                      : JOB_COLUMNS("NULL::text, NULL::text, NULL::text"));
        gw_buf_str(&sql, " FROM {input} d JOIN ");
        gw_job_filter_walk(&c->filter, c->limit, &sql);
        gw_buf_str(&sql, " ON true");
        if (c->with_spec)
                gw_buf_str(&sql, " JOIN " SPEC_OF("j.id") " ON true");
        gw_buf_str(&sql, " JOIN projects p ON p.id = j.project_id JOIN users u ON u.id = j.user_id"
                         " ORDER BY j.id DESC");
        c->sql = gw_buf_take(&sql, NULL);
        c->kind = (struct gw_db_kind){
                .sql = c->sql,
                .columns = list_columns,
                .column_count = GW_COUNT(list_columns),
                .encode = list_encode,
                .row = list_row,
                .batch_max = 1,
        };
        c->cmd.kind = &c->kind;
        return c->sql ? 0 : -1;
}

void gw_db_job_list_done(struct gw_db_job_list *c)
{
        free(GW_TAKE(c->sql));
}
