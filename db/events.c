/* Reading the event log. Runs on the thread of whichever session it is given to. */
#include "db/events.h"

#include "db/sql.h"

static const struct gw_db_column page_columns[] = {
        {"projects", GW_DB_TEXT},
        {"job_id", GW_DB_UUID},
        {"after", GW_DB_INT8},
        {"lim", GW_DB_INT4},
};

static void page_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct gw_db_event_page *c = GW_DB_COMMAND(cmd, struct gw_db_event_page);
        gw_db_put_text(in, c->projects);
        gw_db_put_uuid(in, c->job);
        gw_db_put_int8(in, c->after);
        gw_db_put_int4(in, c->limit);
}

static void page_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_event_page *c = GW_DB_COMMAND(cmd, struct gw_db_event_page);
        struct gw_event_row e = {
                .n = gw_db_get_int8(row, 1),
                .at_us = gw_db_get_time(row, 2),
                .project_id = gw_db_get_int8(row, 3),
                .job = gw_db_get_uuid(row, 4),
                .kind = gw_db_get_text(row, 5, NULL),
                .state = gw_db_get_text(row, 6, NULL),
                .reason = gw_db_get_text(row, 7, NULL),
                .indices = gw_db_get_text(row, 8, NULL),
                .attempt = gw_db_get_int4(row, 9),
                .actor = gw_db_get_text(row, 10, NULL),
                .request_id = gw_db_get_text(row, 11, NULL),
                .data = gw_db_get_text(row, 12, NULL),
        };
        c->each(c->arg, &e);
}

#define PAGE_COLUMNS                                                                               \
        "SELECT 0, e.n, e.at, e.project_id, e.job_id, e.kind, e.state, e.reason, e.indices,"       \
        " e.attempt, u.name, e.request_id, e.data::text FROM {input} d"
#define PAGE_ACTOR " LEFT JOIN users u ON u.id = e.actor"
#define PAGE_LIMIT " LIMIT (SELECT lim FROM {input} i)"

/* A range of the index on (column, n). Rows are compared and the order names both columns, so
 * that no other index will do: walking the numbers in search of a project that has few events
 * could last for ever. */
#define IN_RANGE(column, value)                                                                    \
        "(" column ", e.n) > (" value ", d.after) AND " column " <= " value " AND e.n > d.after"

#define PAGE_KIND(kind_name, statement)                                                            \
        {                                                                                          \
                .name = (kind_name), .sql = (statement), .columns = page_columns,                  \
                .column_count = GW_COUNT(page_columns), .encode = page_encode, .row = page_row,    \
                .batch_max = 1                                                                     \
        }

/* SQL keeps its own lines. */
/* clang-format off */
static const struct gw_db_kind page_of_all = PAGE_KIND(
        "events_all",
        PAGE_COLUMNS " JOIN events e ON e.n > d.after" PAGE_ACTOR " ORDER BY e.n" PAGE_LIMIT);

static const struct gw_db_kind page_of_job = PAGE_KIND(
        "events_job",
        PAGE_COLUMNS " JOIN events e ON " IN_RANGE("e.job_id", "d.job_id")
        PAGE_ACTOR " ORDER BY e.job_id, e.n" PAGE_LIMIT);

static const struct gw_db_kind page_of_projects = PAGE_KIND(
        "events_projects",
        PAGE_COLUMNS " CROSS JOIN LATERAL"
        " (SELECT DISTINCT unnest(" GW_SQL_PROJECTS("d.projects") ") AS id) q CROSS JOIN LATERAL"
        " (SELECT * FROM events e WHERE " IN_RANGE("e.project_id", "q.id")
        "  ORDER BY e.project_id, e.n" PAGE_LIMIT ") e"
        PAGE_ACTOR " ORDER BY e.n" PAGE_LIMIT);
/* clang-format on */

void gw_db_event_page_init(struct gw_db_event_page *c)
{
        if (!gw_id_is_nil(c->job))
                c->cmd.kind = &page_of_job;
        else
                c->cmd.kind = c->projects ? &page_of_projects : &page_of_all;
}

static void last_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        (void)cmd;
        (void)in;
}

static void last_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct gw_db_event_last)->n = gw_db_get_int8(row, 1);
}

static const struct gw_db_kind last_kind = {
        .name = "events_last",
        .sql = "SELECT 0, coalesce((SELECT max(n) FROM events), 0)",
        .encode = last_encode,
        .row = last_row,
        .batch_max = 1,
};

void gw_db_event_last_init(struct gw_db_event_last *c)
{
        c->cmd.kind = &last_kind;
}
