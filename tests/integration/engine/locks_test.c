/*
 * What routes and leaders write side by side, against a real PostgreSQL: the lock under which
 * events get their numbers is the last one a statement takes, rows are locked in the order of
 * their ids, and of two wishes at once one is recorded.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/leases.h"
#include "db/record.h"
#include "server/base/clock.h"
#include "tests/integration/engine/support.h"

#define SPEC                                                                                       \
        "{\"command\":[\"true\"],\"name\":\"one\",\"resources\":{\"cpus\":1,\"memory\":\"1Gi\"}}"

static const char *conninfo;
static int64_t project, epoch;
static char projects[32];

static struct gw_db_session *open_session(const char *name)
{
        struct gw_error err = {0};
        struct gw_db_session_settings s = {.conninfo = conninfo, .application_name = name};
        struct gw_db_session *ret = gw_db_session_open(&s, &err);
        if (!ret)
                fail_msg("%s", err.message);
        return ret;
}

struct number {
        struct gw_db_command cmd;
        int64_t n;
};

static void take_number(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct number)->n = gw_db_get_int8(row, 1);
}

static int64_t number(const char *what)
{
        char sql[512];
        snprintf(sql, sizeof sql, "SELECT d.ord, (SELECT %s)::bigint FROM {input} d", what);
        struct gw_db_kind kind = {.sql = sql, .row = take_number, .batch_max = 1};
        struct number c = {.cmd.kind = &kind};
        test_run(&c.cmd);
        return c.n;
}

/* ---- two jobs, and somebody who writes both ------------------------------------------------ */

static struct gw_id ids[2];

/* A batch about both, run on a session and thread of its own. */
struct batch {
        pthread_t thread;
        struct gw_db_session *session;
        struct gw_work *first;
        int result;
};

static void *run_batch(void *arg)
{
        struct batch *b = arg;
        b->result = gw_db_session_run(b->session, b->first, NULL);
        return NULL;
}

static void start(struct batch *b, struct gw_work *first)
{
        *b = (struct batch){.session = open_session("batch"), .first = first};
        assert_int_equal(pthread_create(&b->thread, NULL, run_batch, b), 0);
}

static void await_blocked(void)
{
        int64_t deadline = test_deadline_ms(10000);
        while (number("count(*) FROM pg_stat_activity WHERE application_name = 'batch'"
                      " AND wait_event_type = 'Lock' AND datname = current_database()") == 0)
                test_pause(deadline);
}

static void finish(struct batch *b)
{
        pthread_join(b->thread, NULL);
        assert_int_equal(b->result, 0);
        gw_db_session_close(b->session);
}

struct writes {
        struct gw_db_record_write commands[2];
        struct gw_job jobs[2];
        struct gw_job_effect effects[2];
};

static struct gw_work *make_writes(struct writes *w)
{
        for (int i = 0; i < 2; i++) {
                w->jobs[i] = (struct gw_job){.id = ids[i],
                                             .step = GW_STEP_PENDING,
                                             .state = GW_PENDING,
                                             .exit_code = -1,
                                             .submission = 1,
                                             .attempt = 1};
                w->effects[i] = (struct gw_job_effect){.changed = true,
                                                       .state_changed = true,
                                                       .submission = GW_SUBMISSION_ACCEPTED,
                                                       .submission_no = 1};
                w->commands[i] = (struct gw_db_record_write){.lease = "test",
                                                             .epoch = epoch,
                                                             .backend = "test",
                                                             .job = &w->jobs[i],
                                                             .effect = &w->effects[i],
                                                             .version = 1};
                assert_int_equal(gw_db_record_write_init(&w->commands[i]), 0);
        }
        w->commands[0].cmd.work.next = &w->commands[1].cmd.work;
        return &w->commands[0].cmd.work;
}

static void free_writes(struct writes *w)
{
        for (int i = 0; i < 2; i++)
                gw_db_record_write_done(&w->commands[i]);
}

static struct gw_work *make_wishes(struct gw_db_job_wish w[2], enum gw_wish wish)
{
        for (int i = 0; i < 2; i++) {
                w[i] = (struct gw_db_job_wish){.id = ids[i],
                                               .projects = projects,
                                               .user_id = test_user_id,
                                               .request_id = "r",
                                               .wish = wish};
                gw_db_job_wish_init(&w[i]);
        }
        w[0].cmd.work.next = &w[1].cmd.work;
        return &w[0].cmd.work;
}

/* Among as many jobs that the planner goes by the index. */
static void make_crowd(void)
{
        test_exec(
                "INSERT INTO jobs (id, project_id, user_id, backend, name, cpus, memory, gpus,"
                " claimable) SELECT (overlay(gw_id_at(now())::text PLACING right(gen_random_uuid()"
                "::text, 22) FROM 15))::uuid, 0, 1, 'crowd', 'x', 1, 1, 0, false"
                " FROM generate_series(1, 20000)");
        test_exec("ANALYZE jobs");
}

static int begin(void **state)
{
        (void)state;
        test_exec("DELETE FROM jobs WHERE backend = 'test'; DELETE FROM submissions");
        for (int i = 0; i < 2; i++)
                ids[i] = test_submit(project, SPEC);
        return 0;
}

/* With one of the jobs locked the batch waits, and nobody waits for it who only wants a number. */
static void check_others_go_on(const char *locked, struct gw_work *first)
{
        struct batch b;
        struct gw_db_session *owner = open_session("owner");
        char sql[256];
        snprintf(
                sql, sizeof sql,
                "BEGIN; SELECT FROM jobs WHERE id = (SELECT %s(id::text)::uuid FROM jobs WHERE backend = 'test')"
                " FOR UPDATE",
                locked);
        assert_int_equal(gw_db_session_exec(owner, sql, NULL), 0);
        start(&b, first);
        await_blocked();
        test_exec("SET statement_timeout = '5s'");
        test_submit(project, SPEC);
        assert_int_equal(number("count(*) FROM pg_locks WHERE locktype = 'advisory'"
                                " AND objid = 7201"),
                         0);
        assert_int_equal(gw_db_session_exec(owner, "COMMIT", NULL), 0);
        finish(&b);
        gw_db_session_close(owner);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_leader_takes_numbers_last(void **state)
{
        (void)state;
        struct writes w;
        check_others_go_on("max", make_writes(&w));
        assert_int_equal(w.commands[0].cmd.rows + w.commands[1].cmd.rows, 2);
        free_writes(&w);
}

static void wishes_take_numbers_last(void **state)
{
        (void)state;
        struct gw_db_job_wish w[2];
        check_others_go_on("max", make_wishes(w, GW_WISH_CANCEL));
        assert_int_equal(w[0].cmd.rows + w[1].cmd.rows, 2);
}

static void removing_takes_numbers_last(void **state)
{
        (void)state;
        struct gw_db_job_wish w[2];
        test_exec("UPDATE jobs SET state = 'failed' WHERE backend = 'test'");
        check_others_go_on("max", make_wishes(w, GW_WISH_REMOVE));
        assert_int_equal(w[0].cmd.rows + w[1].cmd.rows, 2);
}

/* Waiting for the first, it has nothing of the second yet, in whatever order they lie. */
static void check_order(struct gw_work *first)
{
        struct batch b;
        test_exec(
                "UPDATE jobs SET name = 'moved' WHERE id = (SELECT min(id::text)::uuid FROM jobs WHERE backend = 'test')");
        struct gw_db_session *owner = open_session("owner");
        assert_int_equal(
                gw_db_session_exec(
                        owner,
                        "BEGIN; SELECT FROM jobs WHERE id = (SELECT"
                        " min(id::text)::uuid FROM jobs WHERE backend = 'test') FOR UPDATE",
                        NULL),
                0);
        start(&b, first);
        await_blocked();
        assert_int_equal(
                gw_db_session_exec(owner,
                                   "SELECT FROM jobs WHERE id = (SELECT max(id::text)::uuid"
                                   " FROM jobs WHERE backend = 'test') FOR UPDATE NOWAIT",
                                   NULL),
                0);
        assert_int_equal(gw_db_session_exec(owner, "COMMIT", NULL), 0);
        finish(&b);
        gw_db_session_close(owner);
}

static void a_leader_locks_in_the_order_of_ids(void **state)
{
        (void)state;
        struct writes w;
        check_order(make_writes(&w));
        assert_int_equal(w.commands[0].cmd.rows + w.commands[1].cmd.rows, 2);
        free_writes(&w);
}

static void wishes_lock_in_the_order_of_ids(void **state)
{
        (void)state;
        struct gw_db_job_wish w[2];
        struct gw_work *first = make_wishes(w, GW_WISH_HOLD);
        w[1].cmd.work.next = first;
        w[0].cmd.work.next = NULL;
        check_order(&w[1].cmd.work);
        assert_int_equal(w[0].cmd.rows + w[1].cmd.rows, 2);
}

static void of_two_equal_wishes_one_is_recorded(void **state)
{
        (void)state;
        struct gw_db_job_wish w[2];
        struct gw_error err = {0};
        ids[1] = ids[0];
        assert_int_equal(gw_db_session_run(test_session(), make_wishes(w, GW_WISH_CANCEL), &err),
                         0);
        assert_int_equal(w[0].cmd.rows, 1);
        assert_int_equal(w[1].cmd.rows, 0);
        assert_int_equal(
                number("count(*) FROM events e WHERE kind = 'cancel_requested' AND job_id ="
                       " (SELECT id FROM jobs WHERE wished)"),
                1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_leader_takes_numbers_last, begin),
                cmocka_unit_test_setup(wishes_take_numbers_last, begin),
                cmocka_unit_test_setup(removing_takes_numbers_last, begin),
                cmocka_unit_test_setup(a_leader_locks_in_the_order_of_ids, begin),
                cmocka_unit_test_setup(wishes_lock_in_the_order_of_ids, begin),
                cmocka_unit_test_setup(of_two_equal_wishes_one_is_recorded, begin),
        };
        struct gw_error err = {0};
        conninfo = test_database("gw_locks_test");
        project = test_project("vision");
        make_crowd();
        snprintf(projects, sizeof projects, "%lld", (long long)project);
        if (gw_db_lease_take(test_session(), "test", "test:1", &epoch, &err) < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
