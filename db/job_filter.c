/* Filters to SQL: a condition per filter that is set. Pure. */
#include "db/job_filter.h"

#include <string.h>

#include "db/sql.h"

/* The lowest id of a moment: ids made before it are smaller (RFC 9562, version 7). */
static struct gw_id id_at(int64_t us)
{
        struct gw_id id = {{0}};
        uint64_t ms = us > 0 ? (uint64_t)(us / 1000) : 0;
        for (int i = 0; i < 6; i++)
                id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
        id.bytes[15] = 1; /* not the nil id, which is sent as null */
        return id;
}

static void put_moment(struct gw_db_input *in, int64_t us)
{
        if (us)
                gw_db_put_uuid(in, id_at(us));
        else
                gw_db_put_null(in);
}

void gw_job_filter_encode(const struct gw_job_filter *f, struct gw_db_input *in)
{
        gw_db_put_text(in, f->projects);
        gw_db_put_text(in, f->states);
        gw_db_put_text(in, f->ids);
        gw_db_put_int8(in, f->user_id);
        gw_db_put_text(in, f->owner);
        gw_db_put_text(in, f->name);
        gw_db_put_text(in, f->backend);
        gw_db_put_text(in, f->idempotency_key);
        gw_db_put_text(in, f->labels);
        gw_db_put_text(in, f->label_names);
        put_moment(in, f->created_after_us);
        put_moment(in, f->created_before_us);
}

/* One value compares with =, which keeps the index's order for ORDER BY id; several with ANY. */
static void add_set(struct gw_buf *sql, const char *values, const char *one, const char *many)
{
        if (values)
                gw_buf_str(sql, strchr(values, ',') ? many : one);
}

static void add(struct gw_buf *sql, bool set, const char *condition)
{
        if (set)
                gw_buf_str(sql, condition);
}

#define IDS "string_to_array(d.ids, ',')::uuid[]"
#define STATES "string_to_array(d.states, ',')"
/* The index of the keys needs the user as well: that of each member. */
#define KEYED                                                                                      \
        "SELECT k.job_id FROM memberships m JOIN idempotency k ON k.project_id = m.project_id"     \
        " AND k.user_id = m.user_id AND k.key = d.key"                                             \
        " WHERE m.project_id = ANY (" GW_SQL_PROJECTS("d.projects") ")"

static void add_conditions(const struct gw_job_filter *f, struct gw_buf *sql)
{
        add(sql, f->user_id != 0, " AND j.user_id = d.user_id");
        add(sql, f->owner != NULL,
            " AND j.user_id IN (SELECT o.id FROM users o WHERE o.name = d.owner)");
        add(sql, f->name != NULL, " AND j.name = d.name");
        add(sql, f->backend != NULL, " AND j.backend = d.backend");
        add(sql, f->labels != NULL, " AND j.labels @> d.labels");
        add(sql, f->label_names != NULL, " AND j.labels ?& string_to_array(d.label_names, ',')");
}

static void add_sets(const struct gw_job_filter *f, struct gw_buf *sql)
{
        if (*f->projects)
                add_set(sql, f->projects, "j.project_id = d.projects::bigint",
                        "j.project_id = ANY (" GW_SQL_PROJECTS("d.projects") ")");
        else
                gw_buf_str(sql, "false");
        add_set(sql, f->states, " AND j.state = d.states", " AND j.state = ANY (" STATES ")");
}

void gw_job_filter_where(const struct gw_job_filter *f, struct gw_buf *sql)
{
        gw_buf_str(sql, " WHERE ");
        add_sets(f, sql);
        add_set(sql, f->ids, " AND j.id = d.ids::uuid", " AND j.id = ANY (" IDS ")");
        add(sql, f->idempotency_key != NULL, " AND j.id IN (" KEYED ")");
        add(sql, f->created_after_us != 0, " AND j.id >= d.after");
        add(sql, f->created_before_us != 0, " AND j.id < d.before");
        add_conditions(f, sql);
}

/* The ids of a page: from LOW on and below HIGH. */
#define LOW "coalesce(d.after, '00000000-0000-0000-0000-000000000000')"
#define HIGH "least(d.cursor, d.before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')"
#define IN_PAGE "j.id < " HIGH " AND j.id >= " LOW

/* Where jobs are named by ids, each is looked up. */
static void walk_ids(const struct gw_job_filter *f, struct gw_buf *sql)
{
        gw_buf_str(sql, f->ids ? "(SELECT DISTINCT unnest(" IDS ") AS id) i, LATERAL"
                               : "(SELECT DISTINCT k.job_id AS id FROM (" KEYED ") k) i, LATERAL");
        gw_buf_str(sql, " (SELECT * FROM jobs j WHERE j.id = i.id AND " IN_PAGE " AND ");
        add_sets(f, sql);
        add(sql, f->ids && f->idempotency_key, " AND j.id IN (" KEYED ")");
        add_conditions(f, sql);
        gw_buf_str(sql, " LIMIT 1) j");
}

/* A range of an index, from its end: `columns` are the index's, `values` those of the range. As
 * rows are compared and the order names all columns, no other index will do: the planner would
 * walk the ids of all projects in search of one that has few. */
static void walk_range(const struct gw_job_filter *f, const char *columns, const char *values,
                       const char *order, int32_t limit, struct gw_buf *sql)
{
        gw_buf_printf(sql,
                      "(%s, j.id) < (%s, " HIGH ") AND (%s, j.id) >= (%s, " LOW ") AND " IN_PAGE,
                      columns, values, columns, values);
        add_conditions(f, sql);
        gw_buf_printf(sql, " ORDER BY %s, j.id DESC LIMIT %d) j", order, limit);
}

/* Each project, and each of its states, is a range: of each the newest are taken. */
static void walk_ranges(const struct gw_job_filter *f, int32_t limit, struct gw_buf *sql)
{
        gw_buf_str(sql, "(SELECT DISTINCT unnest(" GW_SQL_PROJECTS("d.projects") ") AS id) q,");
        if (f->states) {
                gw_buf_str(sql, " (SELECT DISTINCT unnest(" STATES ") AS state) r,"
                                " LATERAL (SELECT * FROM jobs j WHERE j.project_id = q.id AND ");
                walk_range(f, "j.state", "r.state", "j.project_id DESC, j.state DESC", limit, sql);
        } else {
                gw_buf_str(sql, " LATERAL (SELECT * FROM jobs j WHERE ");
                walk_range(f, "j.project_id", "q.id", "j.project_id DESC", limit, sql);
        }
}

void gw_job_filter_walk(const struct gw_job_filter *f, int32_t limit, struct gw_buf *sql)
{
        gw_buf_str(sql, "LATERAL (SELECT j.* FROM ");
        if (f->ids || f->idempotency_key)
                walk_ids(f, sql);
        else
                walk_ranges(f, limit, sql);
        /* Written out: the planner knows then that few rows are wanted. */
        gw_buf_printf(sql, " ORDER BY j.id DESC LIMIT %d) j", limit);
}
