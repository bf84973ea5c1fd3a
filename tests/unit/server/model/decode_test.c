/* server/model/decode.h, with the tables the build makes from openapi/openapi.yaml. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openapi/schemas.h"
#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/model/decode.h"

static json_t *parse(const char *text)
{
        struct gw_faults f;
        gw_faults_init(&f);
        json_t *value = gw_json_parse(text, strlen(text), &f);
        if (!value)
                fail_msg("%s: %s", text, f.items[0].detail);
        return value;
}

static void expect_good(const struct gw_schema *schema, const char *text)
{
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse(text);
        if (gw_decode(schema, value, "", &f))
                fail_msg("%s: %s %s", text, f.items[0].pointer, f.items[0].detail);
        assert_int_equal(f.count, 0);
}

static void expect_fault(const struct gw_schema *schema, const char *text, enum gw_error_code code,
                         const char *pointer, const char *words)
{
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse(text);
        if (gw_decode(schema, value, "", &f) != -1)
                fail_msg("accepted: %s", text);
        if (f.count != 1)
                fail_msg("%s: %zu faults", text, f.count);
        assert_int_equal(f.code, code);
        assert_string_equal(f.items[0].pointer, pointer);
        if (!strstr(f.items[0].detail, words))
                fail_msg("%s: \"%s\" lacks \"%s\"", text, f.items[0].detail, words);
}

/* The text of a JSON value with `n` times `unit` between two texts. */
static char *repeat(const char *before, const char *unit, size_t n, const char *after)
{
        struct gw_buf b = GW_BUF_INIT(8 * 1024 * 1024);
        gw_buf_str(&b, before);
        for (size_t i = 0; i < n; i++)
                gw_buf_str(&b, unit);
        gw_buf_str(&b, after);
        char *text = gw_buf_take(&b, NULL);
        assert_non_null(text);
        return text;
}

static void test_defaults_are_put_in(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse("{\"command\":[\"true\"],\"retry\":{\"limit\":1}}");
        assert_int_equal(gw_decode(&gw_schema_JobSpec, value, "", &f), 0);
        json_auto_t *want = parse(
                "{\"command\":[\"true\"],\"retry\":{\"limit\":1,\"backoff\":2,\"delay\":10,"
                "\"max_delay\":600,\"on\":[\"node_failure\",\"preempted\",\"evicted\",\"launch_failed\"]"
                "},\"environment\":{},\"hold\":false,\"labels\":{},\"setup\":[]}");
        if (!json_equal(value, want)) {
                gw_autofree char *text = json_dumps(value, JSON_INDENT(1));
                fail_msg("%s", text);
        }

        json_auto_t *empty = parse("{}");
        assert_int_equal(gw_decode(&gw_schema_JobSpec, empty, "", &f), 0);
        assert_int_equal(
                json_integer_value(json_object_get(json_object_get(empty, "retry"), "limit")), 3);
}

static void test_the_client_s_order_is_kept(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse("{\"setup\":[],\"command\":[\"x\"],\"name\":\"n\"}");
        assert_int_equal(gw_decode(&gw_schema_JobSpec, value, "", &f), 0);
        gw_autofree char *text = json_dumps(value, JSON_COMPACT);
        assert_memory_equal(text, "{\"setup\":[],\"command\":[\"x\"],\"name\":\"n\",", 39);
}

static void test_every_fault_at_once(void **state)
{
        (void)state;
        static const char *const pointers[] = {
                "/memroy",     "/resources/cpu", "/resources/memory",
                "/retry/on/0", "/retry/on/1",    "/retry/on/2",
                "/time_limit", "/hold",          "/name",
                "/labels/a b", "/setup",
        };
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse(
                "{\"command\":[\"echo\"],\"memroy\":1,\"resources\":{\"cpu\":4,\"memory\":\"16GB\"},"
                "\"retry\":{\"on\":[\"node_failre\",0,3.5]},\"time_limit\":\"0\",\"hold\":\"yes\","
                "\"name\":\"\",\"labels\":{\"a b\":\"x\"},\"setup\":\"x\"}");
        assert_int_equal(gw_decode(&gw_schema_JobSpec, value, "/spec", &f), -1);
        assert_int_equal(f.code, GW_ERR_INVALID);
        assert_int_equal(f.count, GW_COUNT(pointers));
        for (size_t i = 0; i < GW_COUNT(pointers); i++) {
                assert_memory_equal(f.items[i].pointer, "/spec", 5);
                assert_string_equal(f.items[i].pointer + 5, pointers[i]);
        }
}

static void test_unknown_members(void **state)
{
        (void)state;
        const struct gw_schema *spec = &gw_schema_JobSpec;
        expect_fault(spec, "{\"comand\":[]}", GW_ERR_INVALID, "/comand",
                     "unknown field \"comand\"; did you mean \"command\"?");
        expect_fault(spec, "{\"resources\":{\"memroy\":1}}", GW_ERR_INVALID, "/resources/memroy",
                     "unknown field \"memroy\"; did you mean \"memory\"?");
        expect_fault(spec, "{\"memory\":1}", GW_ERR_INVALID, "/memory",
                     "did you mean \"memory\" in \"resources\"?");
        expect_fault(spec, "{\"qwertyuiop\":1}", GW_ERR_INVALID, "/qwertyuiop",
                     "unknown field \"qwertyuiop\"");
        expect_fault(spec, "{\"\":1}", GW_ERR_INVALID, "/", "unknown field \"\"");
        expect_fault(spec, "{\"a/b~c\":1}", GW_ERR_INVALID, "/a~1b~0c", "unknown field");
        gw_autofree char *longer = repeat("{\"", "\xC3\xA9", 4000, "\":1}");
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse(longer);
        assert_int_equal(gw_decode(spec, value, "", &f), -1);
        assert_null(strchr(f.items[0].detail, '?'));
        assert_null(strchr(f.items[0].pointer, '?'));
}

static void test_more_faults_than_are_kept(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        gw_autofree char *text = repeat("{\"command\":[1", ",1", GW_MAX_FAULTS, "]}");
        json_auto_t *value = parse(text);
        assert_int_equal(gw_decode(&gw_schema_JobSpec, value, "", &f), -1);
        assert_int_equal(f.count, GW_MAX_FAULTS);
        assert_int_equal(f.dropped, 1);
}

static const struct {
        const struct gw_schema *schema;
        const char *text;
} good[] = {
        {&gw_schema_Retry, "{\"limit\":4.0}"},
        {&gw_schema_Retry, "{\"limit\":-0}"},
        {&gw_schema_Retry, "{\"limit\":-0.0}"},
        {&gw_schema_Retry, "{\"limit\":1e2}"},
        {&gw_schema_Retry, "{\"backoff\":1.5,\"delay\":0,\"max_delay\":\"0\"}"},
        {&gw_schema_Retry, "{\"on\":[\"exit_code\",1,255,255.0]}"},
        {&gw_schema_Duration, "1"},
        {&gw_schema_Duration, "31622400"},
        {&gw_schema_Duration, "\"366d\""},
        {&gw_schema_Duration, "\"1-12:00:00\""},
        {&gw_schema_Delay, "0"},
        {&gw_schema_Quantity, "1"},
        {&gw_schema_Quantity, "1125899906842624"},
        {&gw_schema_Quantity, "\"1Pi\""},
        {&gw_schema_Quantity, "\".5Gi\""},
        {&gw_schema_Cpus, "0.001"},
        {&gw_schema_Cpus, "65536"},
        {&gw_schema_Cpus, "\"1m\""},
        {&gw_schema_MatrixValue, "\"\""},
        {&gw_schema_MatrixValue, "0.1"},
        {&gw_schema_MatrixValue, "-9007199254740991"},
        {&gw_schema_MatrixValue, "false"},
        {&gw_schema_JobArray, "{\"indices\":\"0-99:2,120\",\"max_parallel\":1}"},
        {&gw_schema_JobArray, "{\"matrix\":{\"_A1\":[0.1,\"x\",true],\"b\":[0]}}"},
        {&gw_schema_JobPatch, "{}"},
        {&gw_schema_JobPatch, "{\"spec\":{\"a b\":[1,2.0,null,{\"\":true}]},\"x\":null}"},
        {&gw_schema_Volume, "{\"path\":\"/a\",\"empty\":1024}"},
        {&gw_schema_Time, "\"2026-11-24T10:30:00+02:00\""},
        {&gw_schema_Id, "\"0193607E-8c1b-7d4f-9a52-6f0c3b1d2e4a\""},
        {&gw_schema_CancelFilter, "{\"labels\":{\"a\":\"\"}}"},
};

static void test_good_values(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(good); i++)
                expect_good(good[i].schema, good[i].text);
}

static const struct {
        const struct gw_schema *schema;
        const char *text;
        enum gw_error_code code;
        const char *pointer, *words;
} bad[] = {
        {&gw_schema_JobSpec, "5", GW_ERR_INVALID, "", "must be an object, not a number"},
        {&gw_schema_JobSpec, "[]", GW_ERR_INVALID, "", "must be an object, not an array"},
        {&gw_schema_JobSpec, "null", GW_ERR_INVALID, "", "must be an object, not null"},
        {&gw_schema_JobSpec, "{\"image\":null}", GW_ERR_INVALID, "/image",
         "must be a string, not null"},
        {&gw_schema_JobPatch, "[]", GW_ERR_INVALID, "", "must be an object, not an array"},
        {&gw_schema_JobPatch, "7", GW_ERR_INVALID, "", "must be an object, not a number"},
        {&gw_schema_JobPatch,
         "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,"
         "\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1}",
         GW_ERR_INVALID, "", "must have 0 to 16 members, not 17"},
        {&gw_schema_JobSpec, "{\"name\":true}", GW_ERR_INVALID, "/name",
         "must be a string, not true"},
        {&gw_schema_JobSpec, "{\"hold\":0}", GW_ERR_INVALID, "/hold", "must be true or false"},
        {&gw_schema_JobSpec, "{\"labels\":[]}", GW_ERR_INVALID, "/labels", "must be an object"},
        {&gw_schema_JobSpec, "{\"command\":{}}", GW_ERR_INVALID, "/command", "must be an array"},
        {&gw_schema_JobSpec, "{\"command\":[]}", GW_ERR_INVALID, "/command", "must not be empty"},
        {&gw_schema_JobSpec, "{\"priority\":1001}", GW_ERR_INVALID, "/priority",
         "must be from -1000 to 1000, not 1001"},
        {&gw_schema_JobSpec, "{\"priority\":-9223372036854775808}", GW_ERR_INVALID, "/priority",
         "must be from -1000 to 1000"},
        {&gw_schema_JobSpec, "{\"priority\":1e300}", GW_ERR_INVALID, "/priority", "must be from"},
        {&gw_schema_JobSpec, "{\"priority\":0.5}", GW_ERR_INVALID, "/priority",
         "must be a whole number, not 0.5"},
        {&gw_schema_JobSpec, "{\"environment\":{\"1A\":\"\"}}", GW_ERR_INVALID, "/environment/1A",
         "must be letters, digits and '_'"},
        {&gw_schema_JobSpec, "{\"environment\":{\"\":\"\"}}", GW_ERR_INVALID, "/environment/",
         "must not be empty"},
        {&gw_schema_JobSpec, "{\"environment\":{\"A\":1}}", GW_ERR_INVALID, "/environment/A",
         "must be a string, not a number"},
        {&gw_schema_JobSpec, "{\"working_directory\":\"tmp\"}", GW_ERR_INVALID,
         "/working_directory", "must be an absolute path"},
        {&gw_schema_Retry, "{\"limit\":101}", GW_ERR_INVALID, "/limit",
         "must be from 0 to 100, not 101"},
        {&gw_schema_Retry, "{\"backoff\":0.99}", GW_ERR_INVALID, "/backoff",
         "must be from 1 to 100"},
        {&gw_schema_Retry, "{\"on\":[\"lost\"]}", GW_ERR_INVALID, "/on/0",
         "\"lost\" is unknown; must be one of exit_code, signal,"},
        {&gw_schema_Retry, "{\"on\":[256]}", GW_ERR_INVALID, "/on/0",
         "must be from 1 to 255, not 256"},
        {&gw_schema_Retry, "{\"on\":[1.5]}", GW_ERR_INVALID, "/on/0",
         "must be a string or a whole"},
        {&gw_schema_Retry, "{\"on\":[{}]}", GW_ERR_INVALID, "/on/0", "not an object"},
        {&gw_schema_State, "\"runing\"", GW_ERR_INVALID, "", "did you mean \"running\"?"},
        {&gw_schema_Duration, "0", GW_ERR_INVALID, "", "must be from 1 to 31622400, not 0"},
        {&gw_schema_Duration, "1.5", GW_ERR_INVALID, "", "whole seconds"},
        {&gw_schema_Duration, "true", GW_ERR_INVALID, "", "must be a duration"},
        {&gw_schema_Duration, "\"\"", GW_ERR_INVALID, "", "is not a duration"},
        {&gw_schema_Duration, "\"1.5h\"", GW_ERR_INVALID, "", "has a fraction"},
        {&gw_schema_Duration, "\"0s\"", GW_ERR_UNPROCESSABLE, "",
         "must be from 1 to 31622400 seconds"},
        {&gw_schema_Duration, "\"367d\"", GW_ERR_UNPROCESSABLE, "",
         "must be from 1 to 31622400 sec"},
        {&gw_schema_Duration, "\"99999999999999999999999d\"", GW_ERR_UNPROCESSABLE, "", "too long"},
        {&gw_schema_Duration, "\"0000000000000000000000001\"", GW_ERR_INVALID, "",
         "must have 1 to 24 characters, not 25"},
        {&gw_schema_Quantity, "0", GW_ERR_INVALID, "", "must be from 1 to 1125899906842624, not 0"},
        {&gw_schema_Quantity, "1125899906842625", GW_ERR_INVALID, "", "not 1125899906842625"},
        {&gw_schema_Quantity, "\"16gb\"", GW_ERR_INVALID, "", "write Gi"},
        {&gw_schema_Quantity, "\"-1\"", GW_ERR_INVALID, "", "is negative"},
        {&gw_schema_Quantity, "\"1025Ti\"", GW_ERR_UNPROCESSABLE, "", "bytes"},
        {&gw_schema_Quantity, "\"1e999\"", GW_ERR_UNPROCESSABLE, "", "is too much"},
        {&gw_schema_Cpus, "0.0005", GW_ERR_INVALID, "", "must be from 0.001 to 65536"},
        {&gw_schema_Cpus, "\"0\"", GW_ERR_UNPROCESSABLE, "", "must be from 0.001 to 65536 cores"},
        {&gw_schema_Cpus, "\"1Ki\"", GW_ERR_INVALID, "", "is not a number of cpus"},
        {&gw_schema_Cpus, "[]", GW_ERR_INVALID, "", "must be a number of cores"},
        {&gw_schema_MatrixValue, "null", GW_ERR_INVALID, "",
         "must be a string, a number, true or false, not null"},
        {&gw_schema_MatrixValue, "{}", GW_ERR_INVALID, "", "not an object"},
        {&gw_schema_MatrixValue, "1e16", GW_ERR_INVALID, "",
         "must be from -9007199254740991 to 9007199254740991"},
        {&gw_schema_JobArray, "{\"matrix\":{\"a\":[1,[]]}}", GW_ERR_INVALID, "/matrix/a/1",
         "not an array"},
        {&gw_schema_Id, "\"0193607e\"", GW_ERR_INVALID, "", "must have 36 characters, not 8"},
        {&gw_schema_Time, "\"2026-02-30T00:00:00Z\"", GW_ERR_INVALID, "", "must be a time"},
        {&gw_schema_CancelFilter, "{}", GW_ERR_INVALID, "", "must not be empty"},
        {&gw_schema_CancelFilter, "{\"ids\":[]}", GW_ERR_INVALID, "/ids", "must not be empty"},
        {&gw_schema_CancelFilter, "{\"labels\":{}}", GW_ERR_INVALID, "/labels",
         "must not be empty"},
        {&gw_schema_CancelFilter, "{\"state\":[\"failed\"]}", GW_ERR_INVALID, "/state/0",
         "must be one of queued, pending, running"},
};

static void test_bad_values(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(bad); i++)
                expect_fault(bad[i].schema, bad[i].text, bad[i].code, bad[i].pointer, bad[i].words);
}

/* Each bound of the spec: the most, and one more. */
static const struct {
        const char *before, *unit, *after;
        size_t most;
        const char *pointer, *words;
} bounds[] = {
        {"{\"name\":\"", "x", "\"}", 63, "/name", "must have 1 to 63 characters, not 64"},
        {"{\"image\":\"", "x", "\"}", 255, "/image", "not 256"},
        {"{\"setup\":[\"", "\xC3\xA9", "\"]}", 4096, "/setup/0", "must have 0 to 4096 characters"},
        {"{\"setup\":[\"\"", ",\"\"", "]}", 63, "/setup", "must have 0 to 64 items, not 65"},
        {"{\"working_directory\":\"/", "\xF0\x9F\x98\x80", "\"}", 1022, "/working_directory",
         "not 1024"},
        {"{\"command\":[\"x\"", ",\"x\"", "]}", 4095, "/command", "must have 1 to 4096 items"},
        {"{\"command\":[\"", "\xF0\x9F\x98\x80", "\"]}", 32767, "/command/0", "not 32768"},
        {"{\"script\":\"", "x", "\"}", 524288, "/script", "not 524289"},
        {"{\"environment\":{\"", "A", "\":\"\"}}", 255, NULL,
         "must have 1 to 255 characters, not 256"},
        {"{\"environment\":{\"A\":\"", "x", "\"}}", 32767, "/environment/A", "not 32768"},
        {"{\"labels\":{\"", "a", "\":\"\"}}", 63, NULL, "must have 1 to 63 characters, not 64"},
        {"{\"labels\":{\"a\":\"", "x", "\"}}", 63, "/labels/a", "not 64"},
        {"{\"retry\":{\"on\":[1", ",1", "]}}", 63, "/retry/on", "must have 0 to 64 items, not 65"},
        {"{\"array\":{\"matrix\":{\"a\":[\"", "x", "\"]}}}", 4096, "/array/matrix/a/0", "not 4097"},
        {"{\"array\":{\"matrix\":{\"a\":[1", ",1", "]}}}", 999, "/array/matrix/a",
         "must have 1 to 1000 items, not 1001"},
        {"{\"array\":{\"matrix\":{\"", "a", "\":[1]}}}", 255, NULL,
         "must have 1 to 255 characters, not 256"},
        {"{\"array\":{\"indices\":\"", "1", "\"}}", 262144, "/array/indices", "not 262145"},
};

static void test_bounds(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(bounds); i++) {
                gw_autofree char *most =
                        repeat(bounds[i].before, bounds[i].unit, bounds[i].most, bounds[i].after);
                gw_autofree char *more = repeat(bounds[i].before, bounds[i].unit,
                                                bounds[i].most + 1, bounds[i].after);
                expect_good(&gw_schema_JobSpec, most);
                struct gw_faults f;
                gw_faults_init(&f);
                json_auto_t *value = parse(more);
                assert_int_equal(gw_decode(&gw_schema_JobSpec, value, "", &f), -1);
                assert_int_equal(f.count, 1);
                if (bounds[i].pointer)
                        assert_string_equal(f.items[0].pointer, bounds[i].pointer);
                if (!strstr(f.items[0].detail, bounds[i].words))
                        fail_msg("%s: %s", bounds[i].before, f.items[0].detail);
        }
}

static void check_map_bound(const char *member, const char *prefix, size_t most)
{
        for (size_t count = most; count <= most + 1; count++) {
                json_auto_t *spec = json_object();
                json_t *map = json_object();
                assert_int_equal(json_object_set_new(spec, member, map), 0);
                for (size_t i = 0; i < count; i++) {
                        char key[32];
                        snprintf(key, sizeof key, "%s%zu", prefix, i);
                        assert_int_equal(json_object_set_new(map, key, json_string("")), 0);
                }
                struct gw_faults f;
                gw_faults_init(&f);
                assert_int_equal(gw_decode(&gw_schema_JobSpec, spec, "", &f),
                                 count > most ? -1 : 0);
        }
}

static void test_map_bounds(void **state)
{
        (void)state;
        check_map_bound("labels", "k", GW_MAX_LABELS);
        check_map_bound("environment", "V", 512);
}

static void test_whole_numbers_become_integers(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse("{\"limit\":4.0,\"delay\":3e1,\"backoff\":2.0,\"on\":[7.0]}");
        assert_int_equal(gw_decode(&gw_schema_Retry, value, "", &f), 0);
        gw_autofree char *text = json_dumps(value, JSON_COMPACT);
        assert_string_equal(
                text, "{\"limit\":4,\"delay\":30,\"backoff\":2.0,\"on\":[7],\"max_delay\":600}");
}

static void test_missing_members(void **state)
{
        (void)state;
        static const struct gw_schema number = {.type = GW_SCHEMA_INTEGER, .lo = 0, .hi = 9};
        static const struct gw_member members[] = {{"a", &number, NULL, true},
                                                   {"b", &number, NULL, true}};
        static const struct gw_schema object = {
                .type = GW_SCHEMA_OBJECT, .max_len = 2, .members = members, .member_count = 2};
        expect_good(&object, "{\"b\":1,\"a\":2}");
        expect_fault(&object, "{\"a\":1}", GW_ERR_INVALID, "/b",
                     "is missing: must be a whole number");
        struct gw_faults f;
        gw_faults_init(&f);
        json_auto_t *value = parse("{}");
        assert_int_equal(gw_decode(&object, value, "", &f), -1);
        assert_int_equal(f.count, 2);
}

static const struct {
        const struct gw_schema *schema;
        const char *text;
        const char *want; /* JSON, or NULL: refused */
        const char *words;
} parameters[] = {
        {&gw_schema_parameter_Limit, "1", "1", NULL},
        {&gw_schema_parameter_Limit, "1000", "1000", NULL},
        {&gw_schema_parameter_Limit, "0", NULL, "must be from 1 to 1000, not 0"},
        {&gw_schema_parameter_Limit, "1001", NULL, "must be from 1 to 1000, not 1001"},
        {&gw_schema_parameter_Limit, "", NULL, "must be a whole number from 1 to 1000"},
        {&gw_schema_parameter_Limit, "1.0", NULL, "must be a whole number from 1 to 1000"},
        {&gw_schema_parameter_Limit, "+1", NULL, "must be a whole number"},
        {&gw_schema_parameter_Limit, "99999999999999999999", NULL, "must be a whole number"},
        {&gw_schema_parameter_Wait, "240", "240", NULL},
        {&gw_schema_parameter_Wait, "241", NULL, "must be from 0 to 240, not 241"},
        {&gw_schema_parameter_createJob_dry_run, "true", "true", NULL},
        {&gw_schema_parameter_createJob_dry_run, "false", "false", NULL},
        {&gw_schema_parameter_createJob_dry_run, "", NULL, "must be true or false"},
        {&gw_schema_parameter_createJob_dry_run, "True", NULL, "must be true or false"},
        {&gw_schema_parameter_Until, "started", "\"started\"", NULL},
        {&gw_schema_parameter_Until, "5", NULL, "must be one of started, terminal, change"},
        {&gw_schema_parameter_listJobs_state, "failed", "[\"failed\"]", NULL},
        {&gw_schema_parameter_listJobs_state, "failed,queued", "[\"failed\",\"queued\"]", NULL},
        {&gw_schema_parameter_listJobs_state, "failed,", NULL, "\"\" is unknown"},
        {&gw_schema_parameter_listJobs_state, "", NULL, "\"\" is unknown"},
        {&gw_schema_parameter_listJobs_state, "queued,queued,queued,queued,queued,queued,queued",
         NULL, "must have 1 to 6 items, not 7"},
        {&gw_schema_parameter_listJobs_label, "a=b,c,d=", "[\"a=b\",\"c\",\"d=\"]", NULL},
        {&gw_schema_parameter_listJobs_label, "=b", NULL, "must be a label as key=value"},
        {&gw_schema_Name, "ana", "\"ana\"", NULL},
        {&gw_schema_Name, "\xFF", NULL, "is not valid UTF-8"},
        {&gw_schema_IdempotencyKey, "dag/run:1+2 x", "\"dag/run:1+2 x\"", NULL},
};

static void test_parameters(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(parameters); i++) {
                struct gw_faults f;
                gw_faults_init(&f);
                json_auto_t *value =
                        gw_decode_parameter(parameters[i].schema, "p", parameters[i].text, &f);
                if (parameters[i].want) {
                        json_auto_t *want = parse(parameters[i].want);
                        assert_int_equal(f.count, 0);
                        assert_true(json_equal(value, want));
                        continue;
                }
                assert_null(value);
                assert_int_equal(f.count, 1);
                assert_int_equal(f.code, GW_ERR_INVALID);
                assert_memory_equal(f.items[0].pointer, "?p", 2);
                if (!strstr(f.items[0].detail, parameters[i].words))
                        fail_msg("%s: %s", parameters[i].text, f.items[0].detail);
        }
}

static void test_places_of_texts(void **state)
{
        (void)state;
        struct gw_faults f;
        gw_faults_init(&f);
        assert_null(gw_decode_text(&gw_schema_Id, "{id}", "x", &f));
        assert_null(gw_decode_text(&gw_schema_IdempotencyKey, "Idempotency-Key:", "", &f));
        assert_null(gw_decode_parameter(&gw_schema_parameter_listJobs_ids, "ids",
                                        "0193607e-8c1b-7d4f-9a52-6f0c3b1d2e4a,y", &f));
        assert_string_equal(f.items[0].pointer, "{id}");
        assert_string_equal(f.items[1].pointer, "Idempotency-Key:");
        assert_string_equal(f.items[2].pointer, "?ids/1");
}

static void test_presets(void **state)
{
        (void)state;
        json_auto_t *limit = gw_decode_preset(&gw_schema_parameter_Limit, "100");
        json_auto_t *until = gw_decode_preset(&gw_schema_parameter_Until, "\"terminal\"");
        json_auto_t *hold = gw_decode_preset(&gw_schema_parameter_createJob_dry_run, "false");
        json_auto_t *retry = gw_decode_preset(&gw_schema_Retry, "{}");
        assert_int_equal(json_integer_value(limit), 100);
        assert_string_equal(json_string_value(until), "terminal");
        assert_true(json_is_false(hold));
        assert_int_equal(json_object_size(retry), 5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults_are_put_in),
                cmocka_unit_test(test_the_client_s_order_is_kept),
                cmocka_unit_test(test_every_fault_at_once),
                cmocka_unit_test(test_unknown_members),
                cmocka_unit_test(test_more_faults_than_are_kept),
                cmocka_unit_test(test_good_values),
                cmocka_unit_test(test_bad_values),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_map_bounds),
                cmocka_unit_test(test_whole_numbers_become_integers),
                cmocka_unit_test(test_missing_members),
                cmocka_unit_test(test_parameters),
                cmocka_unit_test(test_places_of_texts),
                cmocka_unit_test(test_presets),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
