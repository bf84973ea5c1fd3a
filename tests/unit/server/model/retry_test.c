/* The retry policy: what is repeated, how long after, and what cannot be asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/model/duration.h"
#include "server/model/retry.h"

/* Reads JSON text; returns what gw_retry_from_json does. */
static int read_text(const char *text, struct gw_retry *r, struct gw_faults *faults)
{
        json_error_t error;
        json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
        assert_non_null(json);
        gw_faults_init(faults);
        int rc = gw_retry_from_json(json, r, faults);
        json_decref(json);
        return rc;
}

static struct gw_retry good(const char *text)
{
        struct gw_faults faults;
        struct gw_retry r;
        memset(&r, 0xff, sizeof r);
        if (read_text(text, &r, &faults))
                fail_msg("%s: %s %s", text, faults.items[0].pointer, faults.items[0].detail);
        assert_false(gw_faults_any(&faults));
        return r;
}

static void assert_same(const struct gw_retry *a, const struct gw_retry *b)
{
        assert_int_equal(a->limit, b->limit);
        assert_int_equal(a->delay_s, b->delay_s);
        assert_int_equal(a->max_delay_s, b->max_delay_s);
        assert_true(a->backoff == b->backoff && a->reasons == b->reasons);
        assert_memory_equal(a->exit_codes, b->exit_codes, sizeof a->exit_codes);
}

static void test_default_wants(void **state)
{
        (void)state;
        struct gw_retry r = gw_retry_default();
        for (unsigned i = 0; i < GW_REASON_COUNT; i++) {
                enum gw_reason reason = (enum gw_reason)i;
                bool want = gw_reason_retryable_by_default(reason);
                for (int code = -1; code < 256; code++)
                        assert_int_equal(gw_retry_wants(&r, reason, code, 1), want);
                assert_int_equal(gw_retry_wants(&r, reason, -1, 3), want);
                assert_false(gw_retry_wants(&r, reason, -1, 4)); /* 1 + limit attempts made */
                assert_false(gw_retry_wants(&r, reason, -1, UINT_MAX));
        }
}

static void test_limit_zero_never_retries(void **state)
{
        (void)state;
        struct gw_retry r = good("{\"limit\": 0}");
        assert_false(gw_retry_wants(&r, GW_REASON_NODE_FAILURE, -1, 1));
        r = good("{\"limit\": 1}");
        assert_true(gw_retry_wants(&r, GW_REASON_NODE_FAILURE, -1, 1));
        assert_false(gw_retry_wants(&r, GW_REASON_NODE_FAILURE, -1, 2));
}

static void test_exit_codes(void **state)
{
        (void)state;
        struct gw_retry r = good("{\"on\": [1, 63, 64, 75, 255]}");
        for (int code = -1; code < 300; code++) {
                bool want = code == 1 || code == 63 || code == 64 || code == 75 || code == 255;
                assert_int_equal(gw_retry_wants(&r, GW_REASON_EXIT_CODE, code, 1), want);
                /* a code listed says nothing of ends by other reasons */
                assert_false(gw_retry_wants(&r, GW_REASON_TIME_LIMIT, code, 1));
                assert_false(gw_retry_wants(&r, GW_REASON_COMPLETED, code, 1));
                assert_false(gw_retry_wants(&r, GW_REASON_NODE_FAILURE, code, 1));
        }
        assert_false(gw_retry_wants(&r, GW_REASON_EXIT_CODE, INT_MIN, 1));
        assert_false(gw_retry_wants(&r, GW_REASON_EXIT_CODE, INT_MAX, 1));

        r = good("{\"on\": [\"exit_code\"]}"); /* any */
        for (int code = -1; code < 256; code++)
                assert_true(gw_retry_wants(&r, GW_REASON_EXIT_CODE, code, 1));
}

static const enum gw_reason listable[] = {
        GW_REASON_EXIT_CODE,      GW_REASON_SIGNAL,        GW_REASON_OUT_OF_MEMORY,
        GW_REASON_TIME_LIMIT,     GW_REASON_NODE_FAILURE,  GW_REASON_PREEMPTED,
        GW_REASON_EVICTED,        GW_REASON_IMAGE_PULL,    GW_REASON_LAUNCH_FAILED,
        GW_REASON_HEARTBEAT_LOST, GW_REASON_BACKEND_ERROR,
};

static bool may(enum gw_reason reason)
{
        for (size_t i = 0; i < GW_COUNT(listable); i++) {
                if (listable[i] == reason)
                        return true;
        }
        return false;
}

static void test_each_reason_listed_alone(void **state)
{
        (void)state;
        for (unsigned i = 1; i < GW_REASON_COUNT; i++) {
                enum gw_reason reason = (enum gw_reason)i;
                struct gw_faults faults;
                struct gw_retry r = {.limit = 77};
                char text[80];
                snprintf(text, sizeof text, "{\"on\": [5, \"%s\"]}", gw_reason_name(reason));
                assert_int_equal(gw_retry_may_list(reason), may(reason));
                if (!may(reason)) {
                        assert_int_equal(read_text(text, &r, &faults), -1);
                        assert_int_equal(faults.count, 1);
                        assert_int_equal(faults.code, GW_ERR_UNPROCESSABLE);
                        assert_string_equal(faults.items[0].pointer, "/retry/on/1");
                        assert_non_null(strstr(faults.items[0].detail, gw_reason_name(reason)));
                        assert_int_equal(r.limit, 77);
                        continue;
                }
                r = good(text);
                for (unsigned j = 0; j < GW_REASON_COUNT; j++)
                        assert_int_equal(gw_retry_wants(&r, (enum gw_reason)j, -1, 1), i == j);
        }
        assert_false(gw_retry_may_list(GW_REASON_NONE));
}

static void test_reads_members(void **state)
{
        (void)state;
        struct gw_retry d = gw_retry_default();
        struct gw_retry r = good("{}");
        assert_same(&r, &d);
        assert_int_equal(d.limit, 3);
        assert_int_equal(d.delay_s, 10);
        assert_int_equal(d.max_delay_s, 600);
        assert_true(d.backoff == 2);

        struct gw_faults faults;
        gw_faults_init(&faults);
        assert_int_equal(gw_retry_from_json(NULL, &r, &faults), 0);
        assert_same(&r, &d);

        r = good("{\"limit\": 100, \"delay\": \"1m30s\", \"backoff\": 1.5, \"max_delay\": 7200,"
                 " \"on\": []}");
        assert_int_equal(r.limit, 100);
        assert_int_equal(r.delay_s, 90);
        assert_true(r.backoff == 1.5);
        assert_int_equal(r.max_delay_s, 7200);
        assert_int_equal(r.orphan_wait_s, 0);
        assert_int_equal(good("{\"orphan_wait\": \"2m\"}").orphan_wait_s, 120);
        assert_true(r.reasons == 0);
        for (unsigned i = 0; i < GW_REASON_COUNT; i++)
                assert_false(gw_retry_wants(&r, (enum gw_reason)i, 1, 1));
        r = good("{\"backoff\": 100, \"delay\": 0}");
        assert_true(r.backoff == 100);
        assert_int_equal(r.delay_s, 0);
}

static void test_bad_members(void **state)
{
        (void)state;
        static const struct {
                const char *text, *pointer;
        } cases[] = {
                {"[]", "/retry"},
                {"3", "/retry"},
                {"null", "/retry"},
                {"{\"limit\": -1}", "/retry/limit"},
                {"{\"limit\": 101}", "/retry/limit"},
                {"{\"limit\": 1.0}", "/retry/limit"},
                {"{\"limit\": \"3\"}", "/retry/limit"},
                {"{\"limit\": null}", "/retry/limit"},
                {"{\"delay\": -1}", "/retry/delay"},
                {"{\"delay\": 1.5}", "/retry/delay"},
                {"{\"delay\": \"1.5h\"}", "/retry/delay"},
                {"{\"delay\": 3155760001}", "/retry/delay"},
                {"{\"delay\": []}", "/retry/delay"},
                {"{\"max_delay\": \"soon\"}", "/retry/max_delay"},
                {"{\"max_delay\": true}", "/retry/max_delay"},
                {"{\"orphan_wait\": 0}", "/retry/orphan_wait"},
                {"{\"orphan_wait\": \"never\"}", "/retry/orphan_wait"},
                {"{\"backoff\": 0.99}", "/retry/backoff"},
                {"{\"backoff\": 100.1}", "/retry/backoff"},
                {"{\"backoff\": \"2\"}", "/retry/backoff"},
                {"{\"on\": \"signal\"}", "/retry/on"},
                {"{\"on\": {}}", "/retry/on"},
                {"{\"on\": [0]}", "/retry/on/0"},
                {"{\"on\": [1, 256]}", "/retry/on/1"},
                {"{\"on\": [-1]}", "/retry/on/0"},
                {"{\"on\": [1.5]}", "/retry/on/0"},
                {"{\"on\": [null]}", "/retry/on/0"},
                {"{\"on\": [\"oom\"]}", "/retry/on/0"},
                {"{\"on\": [\"\"]}", "/retry/on/0"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_faults faults;
                struct gw_retry r = {.limit = 77};
                if (read_text(cases[i].text, &r, &faults) == 0)
                        fail_msg("%s was accepted", cases[i].text);
                assert_int_equal(faults.count, 1);
                assert_int_equal(faults.code, GW_ERR_INVALID);
                assert_string_equal(faults.items[0].pointer, cases[i].pointer);
                assert_true(strlen(faults.items[0].detail) > 10);
                assert_int_equal(r.limit, 77);
        }
}

static void test_all_bad_members_at_once(void **state)
{
        (void)state;
        struct gw_faults faults;
        struct gw_retry r = {.limit = 77};
        assert_int_equal(
                read_text("{\"limit\": -1, \"delay\": \"x\", \"backoff\": 0, \"max_delay\": "
                          "\"x\", \"on\": [0, \"lost\", \"?\"]}",
                          &r, &faults),
                -1);
        assert_int_equal(faults.count, 7);
        assert_int_equal(faults.code, GW_ERR_INVALID);
        assert_int_equal(r.limit, 77);
}

static void test_delay(void **state)
{
        (void)state;
        struct gw_retry r = gw_retry_default();
        static const int64_t want[] = {10, 20, 40, 80, 160, 320, 600, 600, 600};
        for (unsigned i = 0; i < GW_COUNT(want); i++)
                assert_int_equal(gw_retry_delay_s(&r, i + 1), want[i]);
        assert_int_equal(gw_retry_delay_s(&r, UINT_MAX), 600); /* 2^4294967294 is infinite */

        r = (struct gw_retry){.delay_s = 7, .backoff = 1, .max_delay_s = 600};
        assert_int_equal(gw_retry_delay_s(&r, 1), 7);
        assert_int_equal(gw_retry_delay_s(&r, UINT_MAX), 7);

        r = (struct gw_retry){.delay_s = 0, .backoff = 100, .max_delay_s = 600};
        assert_int_equal(gw_retry_delay_s(&r, 1), 0);
        assert_int_equal(gw_retry_delay_s(&r, 100), 0);

        r = (struct gw_retry){.delay_s = 3, .backoff = 1.5, .max_delay_s = 100};
        assert_int_equal(gw_retry_delay_s(&r, 2), 4);
        assert_int_equal(gw_retry_delay_s(&r, 3), 6);

        /* the cap never shortens the wait that was asked for */
        r = (struct gw_retry){.delay_s = 3600, .backoff = 2, .max_delay_s = 600};
        assert_int_equal(gw_retry_delay_s(&r, 1), 3600);
        assert_int_equal(gw_retry_delay_s(&r, 9), 3600);

        r = (struct gw_retry){
                .delay_s = GW_MAX_DURATION_S, .backoff = 100, .max_delay_s = GW_MAX_DURATION_S};
        for (unsigned i = 1; i <= GW_MAX_RETRIES; i++)
                assert_int_equal(gw_retry_delay_s(&r, i), GW_MAX_DURATION_S);
}

/* Waits never fall and never leave [delay, max(delay, max_delay)]. */
static void test_delay_is_monotonic(void **state)
{
        (void)state;
        unsigned short seed[3] = {7, 8, 9};
        for (int i = 0; i < 20000; i++) {
                struct gw_retry r = {.delay_s = nrand48(seed) >> (nrand48(seed) % 31),
                                     .backoff = 1 + erand48(seed) * 99 * erand48(seed),
                                     .max_delay_s = nrand48(seed) >> (nrand48(seed) % 31)};
                int64_t top = r.delay_s > r.max_delay_s ? r.delay_s : r.max_delay_s;
                int64_t last = r.delay_s;
                for (unsigned n = 1; n <= GW_MAX_RETRIES; n++) {
                        int64_t d = gw_retry_delay_s(&r, n);
                        assert_true(d >= last && d <= top);
                        last = d;
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_default_wants),
                cmocka_unit_test(test_limit_zero_never_retries),
                cmocka_unit_test(test_exit_codes),
                cmocka_unit_test(test_each_reason_listed_alone),
                cmocka_unit_test(test_reads_members),
                cmocka_unit_test(test_bad_members),
                cmocka_unit_test(test_all_bad_members_at_once),
                cmocka_unit_test(test_delay),
                cmocka_unit_test(test_delay_is_monotonic),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
