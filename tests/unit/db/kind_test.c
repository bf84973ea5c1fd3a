/* db/kind.c: statement texts and the bytes of parameters, as PostgreSQL's manual has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/kind.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"

static const struct gw_db_column two[] = {{"id", GW_DB_UUID}, {"body", GW_DB_JSONB}};

static void expect_sql(const struct gw_db_kind *kind, enum gw_db_form form, const char *want)
{
        struct gw_buf sql = GW_BUF_INIT(GW_DB_MAX_SQL);
        gw_db_kind_sql(kind, form, &sql);
        assert_true(gw_buf_ok(&sql));
        assert_string_equal(sql.data, want);
        gw_buf_done(&sql);
}

static void both_forms_of_a_statement(void **state)
{
        (void)state;
        struct gw_db_kind kind = {.name = "k",
                                  .sql = "SELECT d.ord FROM {input} AS d",
                                  .columns = two,
                                  .column_count = 2};
        expect_sql(&kind, GW_DB_ONE,
                   "SELECT d.ord FROM (SELECT 0 AS ord, $1::uuid AS id, $2::jsonb AS body) AS d");
        expect_sql(
                &kind, GW_DB_MANY,
                "SELECT d.ord FROM (SELECT (t.ord1 - 1)::integer AS ord, t.id, t.body FROM "
                "unnest((SELECT $1::uuid[]), (SELECT $2::jsonb[])) WITH ORDINALITY AS t(id, body, ord1)) AS d");
}

static void the_input_may_stand_anywhere_and_twice(void **state)
{
        (void)state;
        struct gw_db_kind kind = {.name = "k", .sql = "{input},{in},{input}"};
        expect_sql(&kind, GW_DB_ONE, "(SELECT 0 AS ord),{in},(SELECT 0 AS ord)");
        kind.sql = "SELECT 1";
        expect_sql(&kind, GW_DB_ONE, "SELECT 1");
}

static void a_single_command_may_have_a_text_of_its_own(void **state)
{
        (void)state;
        static const struct gw_db_kind kind = {.sql = "SELECT 1", .sql_one = "SELECT {input}"};
        expect_sql(&kind, GW_DB_ONE, "SELECT (SELECT 0 AS ord)");
        expect_sql(&kind, GW_DB_MANY, "SELECT 1");
}

static void types_and_batch_sizes(void **state)
{
        (void)state;
        struct gw_db_kind kind = {.name = "k", .columns = two, .column_count = 2};
        assert_int_equal(gw_db_kind_oid(&kind, GW_DB_ONE, 0), 2950);
        assert_int_equal(gw_db_kind_oid(&kind, GW_DB_MANY, 1), 3807);
        assert_int_equal(gw_db_kind_batch_max(&kind, 0), GW_MAX_BATCH_ROWS);
        assert_int_equal(gw_db_kind_batch_max(&kind, 9), 9);
        kind.batch_max = 7;
        assert_int_equal(gw_db_kind_batch_max(&kind, 9), 7);
        kind.column_count = 0;
        assert_int_equal(gw_db_kind_batch_max(&kind, 9), 1);
}

/* ---- values -------------------------------------------------------------------------- */

static const struct gw_db_column all[] = {
        {"a", GW_DB_BOOL}, {"b", GW_DB_INT4},  {"c", GW_DB_INT8}, {"d", GW_DB_FLOAT8},
        {"e", GW_DB_TEXT}, {"f", GW_DB_UUID},  {"g", GW_DB_JSON}, {"h", GW_DB_JSONB},
        {"i", GW_DB_TIME}, {"j", GW_DB_BYTES}, {"k", GW_DB_TEXT}};

static void put_values(const struct gw_db_command *c, struct gw_db_input *in)
{
        (void)c;
        gw_db_put_bool(in, true);
        gw_db_put_int4(in, -2);
        gw_db_put_int8(in, 0x0102030405060708);
        gw_db_put_float8(in, -1.5);
        gw_db_put_textn(in, "abcdef", 3);
        gw_db_put_uuid(in, (struct gw_id){"0123456789abcde"});
        gw_db_put_text(in, "{}");
        gw_db_put_text(in, "[1]");
        gw_db_put_time(in, INT64_C(946684800000001));
        gw_db_put_bytes(in, "\0\1", 2);
        gw_db_put_text(in, "");
}

static void put_nulls(const struct gw_db_command *c, struct gw_db_input *in)
{
        (void)c;
        for (int i = 0; i < 4; i++)
                gw_db_put_null(in);
        gw_db_put_text(in, NULL);
        gw_db_put_uuid(in, (struct gw_id){{0}});
        gw_db_put_text(in, NULL);
        gw_db_put_text(in, NULL);
        gw_db_put_time(in, 0);
        gw_db_put_null(in);
        gw_db_put_text(in, NULL);
}

static struct gw_db_kind all_kind(void (*encode)(const struct gw_db_command *,
                                                 struct gw_db_input *))
{
        return (struct gw_db_kind){
                .name = "all", .columns = all, .column_count = GW_COUNT(all), .encode = encode};
}

static void plain_values(void **state)
{
        (void)state;
        static const struct {
                size_t len;
                const char *bytes;
        } want[GW_COUNT(all)] = {
                {1, "\x01"},
                {4, "\xff\xff\xff\xfe"},
                {8, "\x01\x02\x03\x04\x05\x06\x07\x08"},
                {8, "\xbf\xf8\0\0\0\0\0\0"},
                {3, "abc"},
                {16, "0123456789abcde"},
                {2, "{}"},
                {4, "\x01[1]"},
                {8, "\0\0\0\0\0\0\0\x01"},
                {2, "\0\x01"},
                {0, ""},
        };
        struct gw_db_kind kind = all_kind(put_values);
        struct gw_db_input in;
        gw_db_input_init(&in);
        gw_db_input_begin(&in, &kind);
        assert_int_equal(gw_db_input_add(&in, NULL), 0);
        const char *values[GW_COUNT(all)];
        int lengths[GW_COUNT(all)];
        gw_db_input_params(&in, GW_DB_ONE, values, lengths);
        for (size_t i = 0; i < GW_COUNT(all); i++) {
                assert_int_equal(lengths[i], (int)want[i].len);
                assert_memory_equal(values[i], want[i].bytes, want[i].len);
        }
        gw_db_input_done(&in);
}

static void nulls(void **state)
{
        (void)state;
        struct gw_db_kind kind = all_kind(put_nulls);
        struct gw_db_input in;
        gw_db_input_init(&in);
        gw_db_input_begin(&in, &kind);
        assert_int_equal(gw_db_input_add(&in, NULL), 0);
        const char *values[GW_COUNT(all)];
        int lengths[GW_COUNT(all)];
        gw_db_input_params(&in, GW_DB_ONE, values, lengths);
        for (size_t i = 0; i < GW_COUNT(all); i++)
                assert_null(values[i]);
        gw_db_input_params(&in, GW_DB_MANY, values, lengths);
        assert_int_equal(lengths[0], 24);
        assert_memory_equal(values[0] + 20, "\xff\xff\xff\xff", 4);
        gw_db_input_done(&in);
}

static const struct gw_db_column one_int[] = {{"n", GW_DB_INT4}};

static void put_seven(const struct gw_db_command *c, struct gw_db_input *in)
{
        (void)c;
        gw_db_put_int4(in, 7);
}

static void arrays(void **state)
{
        (void)state;
        struct gw_db_kind kind = {
                .name = "k", .columns = one_int, .column_count = 1, .encode = put_seven};
        struct gw_db_input in;
        gw_db_input_init(&in);
        for (int turn = 0; turn < 2; turn++) {
                gw_db_input_begin(&in, &kind);
                assert_int_equal(gw_db_input_add(&in, NULL), 0);
                assert_int_equal(gw_db_input_add(&in, NULL), 0);
                const char *value;
                int length;
                gw_db_input_params(&in, GW_DB_MANY, &value, &length);
                static const char want[] = "\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\2\0\0\0\1"
                                           "\0\0\0\4\0\0\0\7\0\0\0\4\0\0\0\7";
                assert_int_equal(length, sizeof want - 1);
                assert_int_equal(gw_db_input_bytes(&in), sizeof want - 1);
                assert_memory_equal(value, want, sizeof want - 1);
        }
        gw_db_input_done(&in);
}

static const struct gw_db_column one_text[] = {{"t", GW_DB_TEXT}};

static void put_too_much(const struct gw_db_command *c, struct gw_db_input *in)
{
        (void)c;
        gw_db_put_textn(in, "", SIZE_MAX / 2);
}

static void put_a_little(const struct gw_db_command *c, struct gw_db_input *in)
{
        (void)c;
        gw_db_put_text(in, "x");
}

static void a_value_over_the_bound_fails(void **state)
{
        (void)state;
        struct gw_db_kind kind = {
                .name = "k", .columns = one_text, .column_count = 1, .encode = put_too_much};
        struct gw_db_input in;
        gw_db_input_init(&in);
        gw_db_input_begin(&in, &kind);
        assert_int_equal(gw_db_input_add(&in, NULL), -1);
        kind.encode = put_a_little;
        gw_db_input_begin(&in, &kind);
        assert_int_equal(gw_db_input_add(&in, NULL), 0);
        gw_db_input_done(&in);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_forms_of_a_statement),
                cmocka_unit_test(the_input_may_stand_anywhere_and_twice),
                cmocka_unit_test(a_single_command_may_have_a_text_of_its_own),
                cmocka_unit_test(types_and_batch_sizes),
                cmocka_unit_test(plain_values),
                cmocka_unit_test(nulls),
                cmocka_unit_test(arrays),
                cmocka_unit_test(a_value_over_the_bound_fails),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
