/* See support.h. */
#include "tests/integration/engine/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/migrate.h"
#include "db/people.h"
#include "server/base/clock.h"
#include "server/model/spec.h"

int64_t test_user_id;
static struct gw_db_session *session;
static char conninfo[512];

static struct gw_db_session *open_session(const char *where)
{
        struct gw_error err = {0};
        struct gw_db_session_settings s = {.conninfo = where, .application_name = "engine test"};
        struct gw_db_session *ret = gw_db_session_open(&s, &err);
        if (!ret) {
                fprintf(stderr, "%s\n", err.message);
                exit(1);
        }
        return ret;
}

const char *test_database(const char *name)
{
        char sql[128];
        const char *where = getenv("JOBGATE_TEST_PG");
        if (!where) {
                fprintf(stderr, "JOBGATE_TEST_PG is not set\n");
                exit(1);
        }
        session = open_session(where);
        snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
        test_exec(sql);
        snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
        test_exec(sql);
        test_exec("DO $$ BEGIN CREATE ROLE gw_engine_serve;"
                  " EXCEPTION WHEN duplicate_object THEN END $$");
        gw_db_session_close(session);
        snprintf(conninfo, sizeof conninfo, "%s dbname=%s", where, name);
        struct gw_error err = {0};
        if (gw_db_migrate(conninfo, "gw_engine_serve", &err) < 0) {
                fprintf(stderr, "%s\n", err.message);
                exit(1);
        }
        session = open_session(conninfo);
        struct gw_db_user_create user = {.name = "ada"};
        gw_db_user_create_init(&user);
        test_run(&user.cmd);
        test_user_id = user.id;
        return conninfo;
}

struct gw_db_session *test_session(void)
{
        return session;
}

void test_run(struct gw_db_command *c)
{
        struct gw_error err = {0};
        if (gw_db_session_run_one(session, c, &err) < 0)
                fail_msg("%s", err.message);
}

void test_exec(const char *sql)
{
        struct gw_error err = {0};
        if (gw_db_session_exec(session, sql, &err) < 0)
                fail_msg("%s: %s", sql, err.message);
}

int64_t test_project(const char *name)
{
        struct gw_db_project_create c = {.name = name, .default_backend = "test"};
        gw_db_project_create_init(&c);
        test_run(&c.cmd);
        assert_int_equal(c.cmd.rows, 1);
        return c.id;
}

struct gw_id test_submit(int64_t project_id, const char *spec)
{
        struct gw_id id = gw_id_new(gw_clock_wall_us());
        test_submit_as(id, project_id, spec);
        return id;
}

void test_submit_as(struct gw_id id, int64_t project_id, const char *spec)
{
        int64_t now = gw_clock_wall_us();
        struct gw_spec s;
        struct gw_error err = {0};
        if (gw_spec_load(spec, strlen(spec), &s, &err) < 0)
                fail_msg("%s", err.message);
        struct gw_db_job_insert c = {
                .id = id,
                .project_id = project_id,
                .user_id = test_user_id,
                .backend = "test",
                .name = s.name,
                .cpus_milli = 1000,
                .memory = 1,
                .priority = s.priority,
                .not_before_us = s.not_before_us,
                .deadline_us = s.deadline_s ? now + s.deadline_s * GW_SECOND : 0,
                .start_deadline_us = s.start_deadline_s ? now + s.start_deadline_s * GW_SECOND : 0,
                .spec = spec,
                .spec_len = strlen(spec),
                .request_id = "test",
        };
        struct gw_buf indices = GW_BUF_INIT(GW_MAX_INDEX_TEXT + 1);
        if (s.is_array) {
                gw_indexset_format(&s.indices, &indices);
                c.index_set = indices.data;
                c.task_count = (int32_t)s.task_count;
        }
        gw_db_job_insert_init(&c);
        test_run(&c.cmd);
        assert_int_equal(c.cmd.rows, 1);
        gw_buf_done(&indices);
        gw_spec_done(&s);
}

struct text_query {
        struct gw_db_command cmd;
        char *out;
        size_t size;
};

static void take_text(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct text_query *q = GW_DB_COMMAND(cmd, struct text_query);
        const char *text = gw_db_get_text(row, 1, NULL);
        snprintf(q->out, q->size, "%s", text ? text : "");
}

static void no_parameters(const struct gw_db_command *c, struct gw_db_input *in)
{
        (void)c;
        (void)in;
}

void test_text(const char *sql, char *out, size_t size)
{
        struct gw_db_kind kind = {
                .sql = sql, .encode = no_parameters, .row = take_text, .batch_max = 1};
        struct text_query q = {.cmd.kind = &kind, .out = out, .size = size};
        *out = '\0';
        test_run(&q.cmd);
}

static void keep(void *arg, const struct gw_job_row *row)
{
        struct test_job *j = arg;
        j->found = true;
        j->state = row->state;
        j->exit_code = row->exit_code;
        j->attempt = row->attempt;
        j->version = row->version;
        snprintf(j->reason, sizeof j->reason, "%s", row->reason ? row->reason : "");
        snprintf(j->message, sizeof j->message, "%s", row->message ? row->message : "");
}

struct test_job test_read(struct gw_id id)
{
        struct test_job j = {0};
        struct gw_db_job_get c = {.id = id, .each = keep, .arg = &j};
        gw_db_job_get_init(&c);
        test_run(&c.cmd);
        return j;
}

void test_wish(struct gw_id id, int64_t project_id, enum gw_wish wish)
{
        char projects[32];
        snprintf(projects, sizeof projects, "%lld", (long long)project_id);
        struct gw_db_job_wish c = {.id = id,
                                   .projects = projects,
                                   .user_id = test_user_id,
                                   .request_id = "test",
                                   .wish = wish};
        gw_db_job_wish_init(&c);
        test_run(&c.cmd);
        assert_int_equal(c.cmd.rows, 1);
}

struct test_job test_await(struct gw_id id, enum gw_state state, const char *reason)
{
        int64_t deadline = test_deadline_ms(10000);
        for (;;) {
                struct test_job j = test_read(id);
                if (j.state == state && (!reason || strcmp(j.reason, reason) == 0))
                        return j;
                if (test_now_ms() > deadline)
                        fail_msg("the job is %s (%s), not %s (%s)", gw_state_name(j.state),
                                 j.reason, gw_state_name(state), reason ? reason : "any");
                test_pause(deadline + 1000);
        }
}

int64_t test_now_ms(void)
{
        return gw_clock_mono_us() / 1000;
}

int64_t test_deadline_ms(int64_t ms)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        ms *= 4;
#endif
        return test_now_ms() + ms;
}

void test_pause(int64_t deadline_ms)
{
        if (test_now_ms() > deadline_ms)
                fail_msg("waited too long");
        usleep(2000);
}
