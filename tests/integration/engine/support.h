/*
 * What the engine's tests share: a database of their own with the real schema, one user, and
 * projects. JOBGATE_TEST_PG must name a superuser's connection (tests/integration/db).
 */
#ifndef GW_TESTS_ENGINE_SUPPORT_H
#define GW_TESTS_ENGINE_SUPPORT_H

#include "db/jobs.h"

/* Drops, makes and migrates the database `name`; returns the conninfo, valid for ever. */
const char *test_database(const char *name);

/* A session on it, kept by the support; and one command on it, which must not fail. */
struct gw_db_session *test_session(void);
void test_run(struct gw_db_command *c);
void test_exec(const char *sql);

extern int64_t test_user_id;
int64_t test_project(const char *name);

/* Submits a job to backend "test" with the spec; returns its id. */
struct gw_id test_submit(int64_t project_id, const char *spec);
void test_submit_as(struct gw_id id, int64_t project_id, const char *spec);

/* The text that a query gives as the second column of its last row; "" for null or none. */
void test_text(const char *sql, char *out, size_t size);

struct test_job {
        enum gw_state state;
        char reason[32], message[128];
        int exit_code, attempt, version;
        bool found;
};
struct test_job test_read(struct gw_id id);
void test_wish(struct gw_id id, int64_t project_id, enum gw_wish wish);

/* Waits until the job is in the state and reason ("" : none; NULL: any), at most 10 s. */
struct test_job test_await(struct gw_id id, enum gw_state state, const char *reason);

/* Milliseconds of monotonic time; a short pause that fails the test after the deadline. */
int64_t test_now_ms(void);
/* When what was begun now has failed to come: so much later, or more under a sanitizer. */
int64_t test_deadline_ms(int64_t ms);
void test_pause(int64_t deadline_ms);

#endif
