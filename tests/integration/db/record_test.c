/*
 * The record's statements against a real PostgreSQL with the real schema: what routes write
 * and read, and the leader's way of a job from a claim to its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/events.h"
#include "db/jobs.h"
#include "db/leases.h"
#include "db/migrate.h"
#include "db/people.h"
#include "db/record.h"
#include "server/base/clock.h"
#include "tests/integration/db/support.h"

#define SPEC "{\"command\":[\"true\"],\"name\":\"one\"}"

static char conninfo[512];
static struct gw_db_session *session;
static int64_t user_id, project_id;
static int64_t epoch;

static void run(struct gw_db_command *c)
{
        struct gw_error err = {0};
        if (gw_db_session_run_one(session, c, &err) < 0)
                fail_msg("%s", err.message);
}

static struct gw_db_session *open_session(const char *where)
{
        struct gw_error err = {0};
        struct gw_db_session_settings s = {.conninfo = where, .application_name = "record test"};
        struct gw_db_session *ret = gw_db_session_open(&s, &err);
        if (!ret)
                fail_msg("%s", err.message);
        return ret;
}

static void make_database(void)
{
        test_exec("DROP DATABASE IF EXISTS gw_record_test");
        test_exec("CREATE DATABASE gw_record_test");
        test_exec(
                "DO $$ BEGIN CREATE ROLE gw_record_serve; EXCEPTION WHEN duplicate_object THEN END $$");
        snprintf(conninfo, sizeof conninfo, "%s dbname=gw_record_test",
                 test_environment("JOBGATE_TEST_PG"));
}

static int set_up(void **state)
{
        (void)state;
        struct gw_error err = {0};
        make_database();
        if (gw_db_migrate(conninfo, "gw_record_serve", &err) < 0)
                fail_msg("%s", err.message);
        session = open_session(conninfo);
        struct gw_db_user_create user = {.name = "ada"};
        gw_db_user_create_init(&user);
        run(&user.cmd);
        struct gw_db_project_create project = {.name = "vision", .default_backend = "local"};
        gw_db_project_create_init(&project);
        run(&project.cmd);
        struct gw_db_member_set member = {.project = "vision", .user = "ada", .role = "submitter"};
        gw_db_member_set_init(&member);
        run(&member.cmd);
        assert_int_equal(member.cmd.rows, 1);
        user_id = user.id;
        project_id = project.id;
        assert_int_equal(gw_db_lease_take(session, "local", "test:1", &epoch, NULL), 0);
        assert_int_equal(epoch, 1);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        gw_db_session_close(session);
        return 0;
}

/* ---- helpers ----------------------------------------------------------------------------- */

static struct gw_db_job_insert new_job(const char *key)
{
        struct gw_db_job_insert c = {
                .id = gw_id_new(gw_clock_wall_us()),
                .project_id = project_id,
                .user_id = user_id,
                .backend = "local",
                .name = "one",
                .labels = "{\"model\":\"resnet\"}",
                .cpus_milli = 1000,
                .memory = 1 << 30,
                .spec = SPEC,
                .spec_len = strlen(SPEC),
                .key = key,
                .request_id = "r1",
        };
        memset(c.sha256, 7, sizeof c.sha256);
        gw_db_job_insert_init(&c);
        return c;
}

static struct gw_id submit(void)
{
        struct gw_db_job_insert c = new_job(NULL);
        run(&c.cmd);
        assert_int_equal(c.cmd.rows, 1);
        return c.id;
}

struct seen {
        int count;
        struct gw_job_row job;
        char reason[32], text[64];
        struct gw_id ids[16];
};

static void keep_job(void *arg, const struct gw_job_row *row)
{
        struct seen *s = arg;
        s->job = *row;
        if (s->count < 16)
                s->ids[s->count] = row->id;
        snprintf(s->reason, sizeof s->reason, "%s", row->reason ? row->reason : "");
        snprintf(s->text, sizeof s->text, "%s/%s/%s", row->project, row->owner, row->labels);
        if (row->spec)
                assert_int_equal(row->spec_len, strlen(SPEC));
        s->count++;
}

static struct seen get(struct gw_id id)
{
        struct seen s = {0};
        struct gw_db_job_get c = {.id = id, .each = keep_job, .arg = &s};
        gw_db_job_get_init(&c);
        run(&c.cmd);
        return s;
}

static uint32_t wish(struct gw_id id, enum gw_wish w, const char *projects)
{
        struct gw_db_job_wish c = {
                .id = id, .projects = projects, .user_id = user_id, .request_id = "r", .wish = w};
        gw_db_job_wish_init(&c);
        run(&c.cmd);
        return c.cmd.rows;
}

struct found {
        int count;
        struct gw_record_row row;
        char project[64], timer[32];
};

static void keep_record(void *arg, const struct gw_record_row *row)
{
        struct found *f = arg;
        f->row = *row;
        snprintf(f->project, sizeof f->project, "%s", row->project);
        snprintf(f->timer, sizeof f->timer, "%s", row->timer ? row->timer : "");
        f->count++;
}

/* Whether the cheap question foretells what the other one finds. */
static void check_due(enum gw_record_what what, int count)
{
        struct gw_db_record_due due = {.backend = "local"};
        gw_db_record_due_init(&due);
        run(&due.cmd);
        if (what == GW_RECORD_WISHES)
                assert_int_equal(due.wishes, count > 0);
        else if (what == GW_RECORD_TIMERS)
                assert_int_equal(due.timers, count > 0);
        else if (what == GW_RECORD_CLAIM)
                assert_int_equal(due.claims, count > 0);
}

static struct found look(enum gw_record_what what)
{
        struct found f = {0};
        struct gw_db_record_read c = {
                .backend = "local", .limit = 100, .each = keep_record, .arg = &f};
        gw_db_record_read_init(&c, what);
        run(&c.cmd);
        check_due(what, f.count);
        return f;
}

static uint32_t record(struct gw_job *job, const struct gw_job_event *event, int64_t as_epoch,
                       int32_t *version, bool wish_read)
{
        struct gw_job_effect effect;
        gw_job_apply(job, event, &effect);
        struct gw_db_record_write c = {
                .lease = "local",
                .epoch = as_epoch,
                .backend = "local",
                .job = job,
                .effect = &effect,
                .claimable = gw_job_claimable(job, event->at_us),
                .version = *version,
                .wish_read = wish_read,
        };
        assert_int_equal(gw_db_record_write_init(&c), 0);
        run(&c.cmd);
        gw_db_record_write_done(&c);
        if (c.cmd.rows)
                *version = c.new_version;
        return c.cmd.rows;
}

static struct gw_job_event event_of(enum gw_job_event_type type)
{
        return (struct gw_job_event){.type = type, .at_us = gw_clock_wall_us(), .exit_code = -1};
}

/* Ends every job that lives, so that each test begins with nothing to claim. */
static int clear(void **state)
{
        (void)state;
        assert_int_equal(gw_db_session_exec(session,
                                            "DELETE FROM jobs; DELETE FROM job_specs;"
                                            " DELETE FROM submissions; DELETE FROM attempts;"
                                            " DELETE FROM tasks;"
                                            " DELETE FROM timers; DELETE FROM idempotency",
                                            NULL),
                         0);
        return 0;
}

/* ---- routes ------------------------------------------------------------------------------ */

static void a_submitted_job_reads_back(void **state)
{
        (void)state;
        struct gw_id id = submit();
        struct seen s = get(id);
        assert_int_equal(s.count, 1);
        assert_true(gw_id_equal(s.job.id, id));
        assert_int_equal(s.job.state, GW_QUEUED);
        assert_int_equal(s.job.version, 1);
        assert_int_equal(s.job.exit_code, -1);
        assert_string_equal(s.text, "vision/ada/{\"model\": \"resnet\"}");
        assert_int_equal(get(gw_id_new(1)).count, 0);
}

static void repeating_an_insert_changes_nothing(void **state)
{
        (void)state;
        struct gw_db_job_insert c = new_job("a/key");
        run(&c.cmd);
        assert_int_equal(c.cmd.rows, 1);
        c.cmd = (struct gw_db_command){.kind = c.cmd.kind};
        run(&c.cmd);
        assert_int_equal(c.cmd.rows, 0);
        struct gw_db_job_settle settle = {
                .id = c.id, .project_id = project_id, .user_id = user_id, .key = "a/key"};
        gw_db_job_settle_init(&settle);
        run(&settle.cmd);
        assert_true(settle.has_key && settle.exists);
        assert_true(gw_id_equal(settle.holder, c.id));
        assert_memory_equal(settle.sha256, c.sha256, 32);
}

static void a_key_belongs_to_its_first_job(void **state)
{
        (void)state;
        struct gw_db_job_insert a = new_job("k"), b = new_job("k");
        a.cmd.work.next = &b.cmd.work;
        struct gw_error err = {0};
        assert_int_equal(gw_db_session_run(session, &a.cmd.work, &err), 0);
        assert_int_equal(a.cmd.rows + b.cmd.rows, 1);
        struct gw_db_job_settle settle = {
                .id = b.id, .project_id = project_id, .user_id = user_id, .key = "k"};
        gw_db_job_settle_init(&settle);
        run(&settle.cmd);
        assert_true(gw_id_equal(settle.holder, a.cmd.rows ? a.id : b.id));
}

static uint32_t list(struct gw_job_filter filter, struct seen *s)
{
        char projects[32];
        snprintf(projects, sizeof projects, "%lld", (long long)project_id);
        if (!filter.projects)
                filter.projects = projects;
        struct gw_db_job_list c = {
                .filter = filter, .limit = 10, .with_spec = true, .each = keep_job, .arg = s};
        *s = (struct seen){0};
        assert_int_equal(gw_db_job_list_init(&c), 0);
        run(&c.cmd);
        gw_db_job_list_done(&c);
        return c.cmd.rows;
}

static void every_filter_selects(void **state)
{
        (void)state;
        struct seen s;
        char ids[80], text[GW_ID_TEXT];
        struct gw_db_job_insert keyed = new_job("listed");
        run(&keyed.cmd);
        struct gw_id other = submit();
        gw_id_format(other, text);
        snprintf(ids, sizeof ids, "%s,%s", text, "00000000-0000-7000-8000-000000000001");
        assert_int_equal(list((struct gw_job_filter){0}, &s), 2);
        assert_true(gw_id_equal(s.ids[0], other)); /* newest first */
        assert_int_equal(list((struct gw_job_filter){.ids = ids}, &s), 1);
        assert_int_equal(list((struct gw_job_filter){.ids = text}, &s), 1);
        assert_int_equal(list((struct gw_job_filter){.states = "queued"}, &s), 2);
        assert_int_equal(list((struct gw_job_filter){.states = "running,failed"}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.owner = "ada"}, &s), 2);
        assert_int_equal(list((struct gw_job_filter){.owner = "bob"}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.name = "one", .backend = "local"}, &s), 2);
        assert_int_equal(list((struct gw_job_filter){.name = "two"}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.idempotency_key = "listed"}, &s), 1);
        assert_int_equal(list((struct gw_job_filter){.labels = "{\"model\":\"resnet\"}"}, &s), 2);
        assert_int_equal(list((struct gw_job_filter){.labels = "{\"model\":\"vit\"}"}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.label_names = "model"}, &s), 2);
        assert_int_equal(list((struct gw_job_filter){.label_names = "model,x"}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.created_before_us = 1000000}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.created_after_us = 1000000}, &s), 2);
        assert_int_equal(list((struct gw_job_filter){.states = "queued,queued"}, &s), 2);
        snprintf(ids, sizeof ids, "%s,%s", text, text);
        assert_int_equal(list((struct gw_job_filter){.ids = ids}, &s), 1);
        assert_int_equal(list((struct gw_job_filter){.ids = text, .idempotency_key = "listed"}, &s),
                         0);
        assert_int_equal(list((struct gw_job_filter){.ids = text, .states = "failed"}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.projects = "987654"}, &s), 0);
        snprintf(ids, sizeof ids, "987654,%lld,%lld", (long long)project_id, (long long)project_id);
        assert_int_equal(list((struct gw_job_filter){.projects = ids}, &s), 2);
        assert_true(gw_id_equal(s.ids[0], other));
        assert_int_equal(list((struct gw_job_filter){.projects = ids, .ids = text}, &s), 1);
        assert_int_equal(list((struct gw_job_filter){.projects = "987654", .ids = text}, &s), 0);
        assert_int_equal(list((struct gw_job_filter){.projects = ""}, &s), 0);
}

struct sum {
        struct gw_db_command cmd;
        int64_t n;
};

static void take_sum(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct sum)->n = gw_db_get_int8(row, 1);
}

/* Rows that this session's statements have read of the large tables, all in all. */
static int64_t rows_read(void)
{
        static const struct gw_db_kind kind = {
                .sql = "SELECT d.ord, sum(t.seq_tup_read + t.idx_tup_fetch)::bigint FROM {input} d,"
                       " pg_stat_user_tables t WHERE t.relname ~"
                       " '^(jobs|job_specs|tasks|attempts|submissions|events)_' GROUP BY 1",
                .row = take_sum,
                .batch_max = 1};
        struct sum c = {.cmd.kind = &kind};
        assert_int_equal(gw_db_session_exec(session, "SELECT pg_stat_force_next_flush()", NULL), 0);
        run(&c.cmd);
        return c.n;
}

#define MANY 5000

/* The planner knows nothing of tables that grew just now. */
static void reading_looks_up_row_by_row(void **state)
{
        (void)state;
        struct gw_db_job_get gets[8];
        struct seen s = {0};
        struct gw_id id = submit();
        assert_int_equal(
                gw_db_session_exec(
                        session,
                        "INSERT INTO jobs (id, project_id, user_id, backend, name, cpus, memory,"
                        " gpus, claimable) SELECT gen_random_uuid(), project_id, user_id, backend,"
                        " name, 1, 1, 0, true FROM jobs, generate_series(1, 5000);"
                        " INSERT INTO job_specs (job_id, spec) SELECT id, spec FROM jobs, job_specs"
                        " WHERE id <> job_id;"
                        " INSERT INTO submissions (job_id, no, backend, epoch, attempt, state)"
                        " SELECT id, 1, backend, 1, 1, 'closed' FROM jobs;"
                        " INSERT INTO attempts (job_id, ordinal, no, submission, state)"
                        " SELECT id, 0, 1, 1, 'failed' FROM jobs",
                        NULL),
                0);
        int64_t before = rows_read();
        for (int i = 0; i < 8; i++) {
                gets[i] = (struct gw_db_job_get){.id = id, .each = keep_job, .arg = &s};
                gw_db_job_get_init(&gets[i]);
                gets[i].cmd.work.next = i < 7 ? &gets[i + 1].cmd.work : NULL;
        }
        assert_int_equal(gw_db_session_run(session, &gets[0].cmd.work, NULL), 0);
        assert_int_equal(s.count, 8);
        assert_int_equal(look(GW_RECORD_CLAIM).count, 100);
        look(GW_RECORD_WISHES);
        look(GW_RECORD_TIMERS);
        look(GW_RECORD_OPEN);
        assert_true(rows_read() - before < MANY);
}

/* Of many at once: those of runs, and those that nothing is recorded of. */
static void tasks_of_an_array(void **state)
{
        (void)state;
        static const struct {
                uint32_t ordinal;
                enum gw_state state;
                int32_t attempts;
        } rows[] = {{0, GW_FAILED, 1},  {2, GW_FAILED, 1}, {3, GW_QUEUED, 0},
                    {5, GW_RUNNING, 2}, {6, GW_QUEUED, 0}, {9999, GW_SUCCEEDED, 0}};
        struct gw_db_task_get gets[GW_COUNT(rows)];
        struct gw_db_job_insert job = new_job(NULL);
        char id[GW_ID_TEXT], sql[512];
        job.index_set = "0-9999";
        job.task_count = 10000;
        run(&job.cmd);
        gw_id_format(job.id, id);
        snprintf(sql, sizeof sql,
                 "INSERT INTO tasks (job_id, lo, hi, state, attempt) VALUES"
                 " ('%s', 0, 2, 'failed', 1), ('%s', 5, 5, 'running', 2); INSERT INTO tasks"
                 " SELECT '%s', n, n, 'succeeded' FROM generate_series(7, 9999) n",
                 id, id, id);
        assert_int_equal(gw_db_session_exec(session, sql, NULL), 0);
        int64_t before = rows_read();
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                gets[i] = (struct gw_db_task_get){.job = job.id, .ordinal = rows[i].ordinal};
                gw_db_task_get_init(&gets[i]);
                gets[i].cmd.work.next = i + 1 < GW_COUNT(rows) ? &gets[i + 1].cmd.work : NULL;
        }
        assert_int_equal(gw_db_session_run(session, &gets[0].cmd.work, NULL), 0);
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                assert_int_equal(gets[i].cmd.error.code, GW_OK);
                assert_int_equal(gets[i].state, rows[i].state);
                assert_int_equal(gets[i].attempts, rows[i].attempts);
        }
        assert_true(rows_read() - before < MANY);
}

static void ignore_job(void *arg, const struct gw_job_row *row)
{
        (void)arg;
        (void)row;
}

static void ignore_event(void *arg, const struct gw_event_row *row)
{
        (void)arg;
        (void)row;
}

/* Among many jobs of other projects, what a project with few has is found at once. */
static void a_quiet_project_costs_little(void **state)
{
        (void)state;
        struct gw_job_filter filters[] = {
                {.projects = "77"},
                {.projects = "77,78", .states = "failed"},
                {.projects = "77", .states = "queued,running", .created_before_us = INT64_MAX / 2},
        };
        assert_int_equal(
                gw_db_session_exec(
                        session,
                        "INSERT INTO jobs (id, project_id, user_id, backend, name, cpus, memory,"
                        " gpus, claimable) SELECT gen_random_uuid(), 1 + i % 5, 1, 'local', 'x', 1, 1,"
                        " 0, false FROM generate_series(1, 5000) i;"
                        " INSERT INTO events (n, project_id, job_id, kind) SELECT nextval('events_n'),"
                        " project_id, id, 'state' FROM jobs; ANALYZE jobs; ANALYZE events",
                        NULL),
                0);
        int64_t before = rows_read();
        for (size_t i = 0; i < GW_COUNT(filters); i++) {
                struct gw_db_job_list c = {.filter = filters[i], .limit = 100, .each = ignore_job};
                assert_int_equal(gw_db_job_list_init(&c), 0);
                run(&c.cmd);
                gw_db_job_list_done(&c);
        }
        for (int i = 0; i < 8; i++) {
                struct gw_db_event_page c = {
                        .projects = "77,78", .limit = 100, .each = ignore_event};
                gw_db_event_page_init(&c);
                run(&c.cmd);
        }
        assert_true(rows_read() - before < 1000);
}

/* Of the many jobs in a state, only those down to the end of the page are read. */
static void a_page_ends_the_walk(void **state)
{
        (void)state;
        struct gw_job_filter filters[] = {
                {.projects = "1", .states = "failed", .name = "n8"},
                {.projects = "1", .states = "failed,cancelled", .name = "n8"},
                {.projects = "1", .name = "n8"},
        };
        assert_int_equal(
                gw_db_session_exec(
                        session,
                        "INSERT INTO jobs (id, project_id, user_id, backend, name, state, cpus,"
                        " memory, gpus, claimable) SELECT gen_random_uuid(), 1, 1, 'local',"
                        " 'n' || i % 50, (ARRAY['succeeded', 'failed', 'cancelled'])[1 + i % 3], 1, 1,"
                        " 0, false FROM generate_series(1, 60000) i; ANALYZE jobs",
                        NULL),
                0);
        for (size_t i = 0; i < GW_COUNT(filters); i++) {
                struct gw_db_job_list c = {.filter = filters[i], .limit = 100, .each = ignore_job};
                int64_t before = rows_read();
                assert_int_equal(gw_db_job_list_init(&c), 0);
                run(&c.cmd);
                gw_db_job_list_done(&c);
                assert_true(rows_read() - before < 15000);
        }
}

/* ---- wishes and the leader ----------------------------------------------------------------- */

static void a_wish_needs_the_project(void **state)
{
        (void)state;
        char mine[32];
        snprintf(mine, sizeof mine, "%lld", (long long)project_id);
        struct gw_id id = submit();
        assert_int_equal(wish(id, GW_WISH_CANCEL, "424242"), 0);
        assert_int_equal(wish(id, GW_WISH_HOLD, mine), 1);
        assert_int_equal(wish(id, GW_WISH_HOLD, mine), 0); /* it is held already */
        assert_int_equal(look(GW_RECORD_CLAIM).count, 0);
        struct found f = look(GW_RECORD_WISHES);
        assert_int_equal(f.count, 1);
        assert_true(f.row.wants_hold && !f.row.cancel);
        struct gw_job_event e = event_of(GW_EVENT_HOLD);
        assert_int_equal(record(&f.row.job, &e, epoch, &f.row.version, true), 1);
        assert_int_equal(look(GW_RECORD_WISHES).count, 0);
        assert_string_equal(get(id).reason, "held");
        assert_int_equal(wish(id, GW_WISH_REMOVE, mine), 0); /* it lives */
        assert_int_equal(wish(id, GW_WISH_CANCEL, mine), 1);
        f = look(GW_RECORD_WISHES);
        assert_true(f.row.cancel && f.row.cancel_by == user_id);
        e = event_of(GW_EVENT_CANCEL);
        e.reason = GW_REASON_CANCELLED_BY_USER;
        assert_int_equal(record(&f.row.job, &e, epoch, &f.row.version, true), 1);
        assert_int_equal(get(id).job.state, GW_CANCELLED);
        assert_int_equal(wish(id, GW_WISH_REMOVE, mine), 1);
        assert_int_equal(get(id).count, 0);
}

static void a_wish_that_came_meanwhile_is_not_lost(void **state)
{
        (void)state;
        char mine[32];
        snprintf(mine, sizeof mine, "%lld", (long long)project_id);
        struct gw_id id = submit();
        wish(id, GW_WISH_HOLD, mine);
        struct found f = look(GW_RECORD_WISHES);
        wish(id, GW_WISH_CANCEL, mine);
        struct gw_job_event e = event_of(GW_EVENT_HOLD);
        assert_int_equal(record(&f.row.job, &e, epoch, &f.row.version, true), 1);
        f = look(GW_RECORD_WISHES);
        assert_int_equal(f.count, 1);
        assert_true(f.row.cancel);
}

static void the_way_of_a_job(void **state)
{
        (void)state;
        struct gw_id id = submit();
        struct found f = look(GW_RECORD_CLAIM);
        assert_int_equal(f.count, 1);
        assert_string_equal(f.project, "vision");
        struct gw_job *job = &f.row.job;
        int32_t version = f.row.version;
        struct gw_job_event e = event_of(GW_EVENT_CLAIM);
        assert_int_equal(record(job, &e, epoch, &version, false), 1);
        assert_int_equal(look(GW_RECORD_CLAIM).count, 0);
        struct found open = look(GW_RECORD_OPEN);
        assert_int_equal(open.count, 1);
        assert_int_equal(open.row.job.step, GW_STEP_INTENDED);
        e = event_of(GW_EVENT_DONE);
        assert_int_equal(record(job, &e, epoch, &version, false), 1);
        assert_int_equal(get(id).job.state, GW_PENDING);
        e = event_of(GW_EVENT_FACT_RUNNING);
        e.started_us = e.at_us;
        e.node = "n1";
        assert_int_equal(record(job, &e, epoch, &version, false), 1);
        assert_int_equal(look(GW_RECORD_OPEN).row.job.step, GW_STEP_RUNNING);
        e = event_of(GW_EVENT_FACT_ENDED);
        e.reason = GW_REASON_EXIT_CODE;
        e.exit_code = 3;
        e.ended_us = e.at_us;
        e.raw = "left with 3";
        e.usage = "{\"max_memory\":1}";
        assert_int_equal(record(job, &e, epoch, &version, false), 1);
        struct seen s = get(id);
        assert_int_equal(s.job.state, GW_FAILED);
        assert_int_equal(s.job.exit_code, 3);
        assert_true(s.job.started_us > 0 && s.job.ended_us >= s.job.started_us);
        assert_int_equal(look(GW_RECORD_OPEN).count, 0);
        /* Terminal: no write changes it any more. */
        assert_int_equal(record(job, &e, epoch, &version, false), 0);
}

static void keep_attempt(void *arg, const struct gw_attempt_row *row)
{
        struct seen *s = arg;
        snprintf(s->text, sizeof s->text, "%d %s %s %d %s", row->no, row->state, row->reason,
                 row->exit_code, row->node ? row->node : "-");
        s->count++;
}

static void an_attempt_keeps_its_own_end(void **state)
{
        (void)state;
        the_way_of_a_job(state);
        struct seen jobs, s = {0};
        list((struct gw_job_filter){0}, &jobs);
        struct gw_db_attempts c = {.job = jobs.ids[0], .each = keep_attempt, .arg = &s};
        gw_db_attempts_init(&c);
        run(&c.cmd);
        assert_int_equal(s.count, 1);
        assert_string_equal(s.text, "1 failed exit_code 3 n1");
}

static void another_epoch_writes_nothing(void **state)
{
        (void)state;
        struct gw_id id = submit();
        struct found f = look(GW_RECORD_CLAIM);
        struct gw_job_event e = event_of(GW_EVENT_CLAIM);
        assert_int_equal(record(&f.row.job, &e, epoch + 1, &f.row.version, false), 0);
        assert_int_equal(look(GW_RECORD_CLAIM).count, 1);
        assert_int_equal(get(id).job.version, 1);
}

static void an_intent_for_a_held_job_is_turned_down(void **state)
{
        (void)state;
        char mine[32];
        snprintf(mine, sizeof mine, "%lld", (long long)project_id);
        struct gw_id id = submit();
        struct found f = look(GW_RECORD_CLAIM);
        wish(id, GW_WISH_HOLD, mine);
        struct gw_job_event e = event_of(GW_EVENT_CLAIM);
        assert_int_equal(record(&f.row.job, &e, epoch, &f.row.version, false), 0);
        assert_int_equal(look(GW_RECORD_OPEN).count, 0);
}

static void timers_come_due(void **state)
{
        (void)state;
        struct gw_db_job_insert c = new_job(NULL);
        c.not_before_us = gw_clock_wall_us() - GW_SECOND;
        c.deadline_us = gw_clock_wall_us() + 3600 * GW_SECOND;
        gw_db_job_insert_init(&c);
        run(&c.cmd);
        assert_int_equal(look(GW_RECORD_CLAIM).count, 0);
        assert_string_equal(get(c.id).reason, "not_before");
        struct found f = look(GW_RECORD_TIMERS);
        assert_int_equal(f.count, 1);
        assert_string_equal(f.timer, "not_before");
}

static void keep_event(void *arg, const struct gw_event_row *row)
{
        char *text = arg;
        snprintf(text + strlen(text), 512 - strlen(text), "%s/%s ", row->kind,
                 row->state ? row->state : "-");
}

static void events_tell_the_way(void **state)
{
        (void)state;
        char text[512] = "";
        the_way_of_a_job(state);
        struct seen jobs;
        list((struct gw_job_filter){0}, &jobs);
        struct gw_db_event_page c = {
                .job = jobs.ids[0], .limit = 100, .each = keep_event, .arg = text};
        gw_db_event_page_init(&c);
        run(&c.cmd);
        assert_string_equal(text, "submitted/queued state/pending state/running state/failed ");
        struct gw_db_event_last last = {0};
        gw_db_event_last_init(&last);
        run(&last.cmd);
        assert_true(last.n >= 4);
}

static void count_id(void *arg, struct gw_id id)
{
        (void)id;
        ++*(int *)arg;
}

static void cancelling_many(void **state)
{
        (void)state;
        char mine[32];
        snprintf(mine, sizeof mine, "%lld", (long long)project_id);
        submit();
        submit();
        struct gw_db_job_cancel_many c = {.filter = {.projects = mine, .name = "one"},
                                          .user_id_by = user_id,
                                          .request_id = "r"};
        int count = 0;
        c.each = count_id;
        c.arg = &count;
        assert_int_equal(gw_db_job_cancel_many_init(&c), 0);
        run(&c.cmd);
        gw_db_job_cancel_many_done(&c);
        assert_int_equal(count, 2);
        assert_int_equal(look(GW_RECORD_WISHES).count, 2);
        assert_int_equal(look(GW_RECORD_CLAIM).count, 0);
}

static void keep_membership(void *arg, const struct gw_membership_row *row)
{
        snprintf(arg, 128, "%s %s %s", row->project, row->role, row->default_backend);
}

static void a_token_stands_for_its_user(void **state)
{
        (void)state;
        struct gw_db_token_create t = {
                .user = "ada", .name = "first", .scopes = "jobs:read,jobs:write"};
        memset(t.hash, 9, sizeof t.hash);
        gw_db_token_create_init(&t);
        run(&t.cmd);
        assert_int_equal(t.cmd.rows, 1);
        char text[128] = "";
        struct gw_db_principal p = {.each = keep_membership, .arg = text};
        memset(p.hash, 8, sizeof p.hash);
        gw_db_principal_init(&p);
        run(&p.cmd);
        assert_int_equal(p.cmd.rows, 0);
        memset(p.hash, 9, sizeof p.hash);
        p.cmd = (struct gw_db_command){.kind = p.cmd.kind};
        run(&p.cmd);
        assert_int_equal(p.cmd.rows, 1);
        assert_string_equal(p.scopes, "jobs:read,jobs:write");
        assert_string_equal(text, "vision submitter local");
        struct gw_db_token_revoke r = {.id = t.id};
        gw_db_token_revoke_init(&r);
        run(&r.cmd);
        assert_int_equal(r.cmd.rows, 1);
        p.cmd = (struct gw_db_command){.kind = p.cmd.kind};
        run(&p.cmd);
        assert_int_equal(p.cmd.rows, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_submitted_job_reads_back, clear),
                cmocka_unit_test_setup(repeating_an_insert_changes_nothing, clear),
                cmocka_unit_test_setup(a_key_belongs_to_its_first_job, clear),
                cmocka_unit_test_setup(every_filter_selects, clear),
                cmocka_unit_test_setup(reading_looks_up_row_by_row, clear),
                cmocka_unit_test_setup(tasks_of_an_array, clear),
                cmocka_unit_test_setup(a_quiet_project_costs_little, clear),
                cmocka_unit_test_setup(a_page_ends_the_walk, clear),
                cmocka_unit_test_setup(a_wish_needs_the_project, clear),
                cmocka_unit_test_setup(a_wish_that_came_meanwhile_is_not_lost, clear),
                cmocka_unit_test_setup(the_way_of_a_job, clear),
                cmocka_unit_test_setup(an_attempt_keeps_its_own_end, clear),
                cmocka_unit_test_setup(another_epoch_writes_nothing, clear),
                cmocka_unit_test_setup(an_intent_for_a_held_job_is_turned_down, clear),
                cmocka_unit_test_setup(timers_come_due, clear),
                cmocka_unit_test_setup(events_tell_the_way, clear),
                cmocka_unit_test_setup(cancelling_many, clear),
                cmocka_unit_test_setup(a_token_stands_for_its_user, clear),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
