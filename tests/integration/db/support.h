/*
 * What the database tests share: the way to the cluster, and a small table with its kinds.
 *
 * Environment, all of it required:
 *   JOBGATE_TEST_PG        conninfo of a superuser on a database the test may fill
 *   JOBGATE_TEST_PG_STOP   shell command that stops the server at once (channel_test only)
 *   JOBGATE_TEST_PG_START  shell command that starts it and waits (channel_test only)
 */
#ifndef GW_TESTS_DB_SUPPORT_H
#define GW_TESTS_DB_SUPPORT_H

#include "db/db.h"

/* The variable's value; the test program fails when it is missing. */
const char *test_environment(const char *name);
struct gw_db_session *test_session(void);
/* Runs statements on a connection of their own. */
void test_exec(const char *sql);
/* The number that "SELECT …" gives, on a connection of its own. */
int64_t test_number(const char *select);
/* Milliseconds of monotonic time; and fails the test when `deadline` has passed. */
int64_t test_now_ms(void);
void test_pause(int64_t deadline_ms);

/* The table test_item (id, n, body): made empty by test_items_make(). */
void test_items_make(void);

struct test_item {
        struct gw_db_command command;
        struct gw_id id;
        int32_t n;
        const char *body;
        int rows; /* as counted by the row function */
};
/* Inserts; one row back whether it was new or was there. Does not sort. */
extern const struct gw_db_kind test_insert;
/* Adds n to the row; no row back when there is none. Sorts by id. */
extern const struct gw_db_kind test_update;
/* Reads n and body's text. */
extern const struct gw_db_kind test_select;
/* The numbers 1 … n, a row each. */
extern const struct gw_db_kind test_series;

struct gw_id test_id(unsigned number);
struct test_item *test_items_new(const struct gw_db_kind *kind, size_t count);
/* Links them in order; returns the first work. */
struct gw_work *test_link(struct test_item *items, size_t count);

#endif
