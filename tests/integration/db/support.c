/* See support.h. */
#include "tests/integration/db/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

const char *test_environment(const char *name)
{
        const char *value = getenv(name);
        if (!value || !*value) {
                fprintf(stderr, "%s is not set\n", name);
                exit(1);
        }
        return value;
}

struct gw_db_session *test_session(void)
{
        struct gw_error err = {0};
        struct gw_db_session *s = gw_db_session_open(
                &(struct gw_db_session_settings){.conninfo = test_environment("JOBGATE_TEST_PG"),
                                                 .application_name = "jobgate test",
                                                 .statement_timeout_ms = 20000},
                &err);
        if (!s)
                fail_msg("%s", err.message);
        return s;
}

void test_exec(const char *sql)
{
        struct gw_db_session *s = test_session();
        struct gw_error err = {0};
        if (gw_db_session_exec(s, sql, &err) < 0)
                fail_msg("%s: %s", sql, err.message);
        gw_db_session_close(s);
}

struct number {
        struct gw_db_command command;
        int64_t value;
};

static void number_row(struct gw_db_command *c, const struct gw_db_row *row)
{
        GW_CONTAINER(c, struct number, command)->value = gw_db_get_int8(row, 1);
}

int64_t test_number(const char *select)
{
        char sql[1024];
        snprintf(sql, sizeof sql, "SELECT d.ord, (%s)::bigint FROM {input} AS d", select);
        const struct gw_db_kind kind = {.name = "test_number", .sql = sql, .row = number_row};
        struct number c = {.command.kind = &kind, .value = -1};
        struct gw_db_session *s = test_session();
        struct gw_error err = {0};
        if (gw_db_session_run_one(s, &c.command, &err) < 0)
                fail_msg("%s: %s", select, err.message);
        gw_db_session_close(s);
        return c.value;
}

int64_t test_now_ms(void)
{
        return gw_clock_mono_us() / 1000;
}

void test_pause(int64_t deadline_ms)
{
        if (test_now_ms() > deadline_ms)
                fail_msg("nothing happened before the deadline");
        usleep(2000);
}

void test_items_make(void)
{
        test_exec("DROP TABLE IF EXISTS test_item; "
                  "CREATE TABLE test_item (id uuid PRIMARY KEY, n integer NOT NULL "
                  "CONSTRAINT positive CHECK (n >= 0), body jsonb, "
                  "tag integer CONSTRAINT late UNIQUE DEFERRABLE INITIALLY DEFERRED)");
}

static struct test_item *item_of(const struct gw_db_command *c)
{
        return GW_CONTAINER(c, struct test_item, command);
}

static const struct gw_db_column columns[] = {
        {"id", GW_DB_UUID}, {"n", GW_DB_INT4}, {"body", GW_DB_JSONB}};

static void encode(const struct gw_db_command *c, struct gw_db_input *in)
{
        gw_db_put_uuid(in, item_of(c)->id);
        gw_db_put_int4(in, item_of(c)->n);
        gw_db_put_text(in, item_of(c)->body);
}

static void count_row(struct gw_db_command *c, const struct gw_db_row *row)
{
        (void)row;
        item_of(c)->rows++;
}

const struct gw_db_kind test_insert = {
        .name = "test_insert",
        .sql = "WITH d AS (SELECT * FROM {input} AS i), "
               "new AS (INSERT INTO test_item (id, n, body) SELECT id, n, body FROM d "
               "ON CONFLICT (id) DO NOTHING) "
               "SELECT d.ord FROM d",
        .columns = columns,
        .column_count = GW_COUNT(columns),
        .encode = encode,
        .row = count_row,
};

static int by_id(const struct gw_db_command *a, const struct gw_db_command *b)
{
        return gw_id_compare(&item_of(a)->id, &item_of(b)->id);
}

const struct gw_db_kind test_update = {
        .name = "test_update",
        .sql = "WITH d AS (SELECT * FROM {input} AS i), "
               "l AS MATERIALIZED (SELECT d.ord, t.id, d.n FROM d JOIN LATERAL "
               "(SELECT id FROM test_item WHERE id = d.id FOR UPDATE) AS t ON true) "
               "UPDATE test_item AS t SET n = t.n + l.n FROM l WHERE t.id = l.id RETURNING l.ord",
        .columns = columns,
        .column_count = GW_COUNT(columns),
        .encode = encode,
        .row = count_row,
        .order = by_id,
};

static void select_row(struct gw_db_command *c, const struct gw_db_row *row)
{
        item_of(c)->rows++;
        item_of(c)->n = gw_db_get_int4(row, 1);
}

const struct gw_db_kind test_select = {
        .name = "test_select",
        .sql = "SELECT d.ord, t.n FROM {input} AS d JOIN test_item AS t ON t.id = d.id",
        .columns = columns,
        .column_count = GW_COUNT(columns),
        .encode = encode,
        .row = select_row,
};

const struct gw_db_kind test_series = {
        .name = "test_series",
        .sql = "SELECT d.ord, g.v, repeat('x', 100) FROM {input} AS d "
               "CROSS JOIN LATERAL generate_series(1, d.n) AS g (v) ORDER BY g.v",
        .columns = columns,
        .column_count = GW_COUNT(columns),
        .encode = encode,
        .row = select_row,
        .batch_max = 1,
};

struct gw_id test_id(unsigned number)
{
        struct gw_id id = {{1, 2, 3}};
        for (int i = 0; i < 4; i++)
                id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
        return id;
}

struct test_item *test_items_new(const struct gw_db_kind *kind, size_t count)
{
        struct test_item *items = calloc(count, sizeof *items);
        assert_non_null(items);
        for (size_t i = 0; i < count; i++) {
                items[i].command.kind = kind;
                items[i].id = test_id((unsigned)i);
                items[i].n = (int32_t)i;
                items[i].body = "{\"a\":1}";
        }
        return items;
}

struct gw_work *test_link(struct test_item *items, size_t count)
{
        for (size_t i = 0; i < count; i++)
                items[i].command.work.next = i + 1 < count ? &items[i + 1].command.work : NULL;
        return &items[0].command.work;
}
