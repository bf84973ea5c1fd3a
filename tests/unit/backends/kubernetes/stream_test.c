/* The events of a watch, as their bytes arrive. */
#include "backends/kubernetes/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAX 64
#define ADDED "{\"type\":\"ADDED\",\"object\":{\"n\":1}}"

struct seen {
        char text[256];
        unsigned most;
};

static bool see(void *arg, enum gw_k8s_event event, json_t *object)
{
        struct seen *seen = arg;
        char *json = json_dumps(object, JSON_COMPACT);
        size_t len = strlen(seen->text);
        snprintf(seen->text + len, sizeof seen->text - len, "%d%s ", (int)event, json);
        free(json);
        return --seen->most > 0;
}

static void check(const char *bytes, const char *wanted, enum gw_error_code code)
{
        for (size_t part = 1; part <= strlen(bytes); part++) {
                struct seen seen = {.most = 3};
                struct gw_k8s_stream stream;
                struct gw_error err = {0};
                gw_k8s_stream_init(&stream, MAX, see, &seen);
                for (const char *at = bytes; *at; at += strnlen(at, part))
                        gw_k8s_stream_add(&stream, at, strnlen(at, part), &err);
                gw_k8s_stream_done(&stream);
                assert_string_equal(seen.text, wanted);
                assert_int_equal(err.code, code);
        }
}

static void each_line_is_an_event(void **state)
{
        (void)state;
        check(ADDED "\n", "0{\"n\":1} ", GW_OK);
        check("{\"object\":{},\"type\":\"MODIFIED\"}\r\n\n{\"type\":\"DELETED\",\"object\":{}}\n",
              "1{} 2{} ", GW_OK);
        check("{\"type\":\"BOOKMARK\",\"object\":{}}\n{\"type\":\"ERROR\",\"object\":{}}\n",
              "3{} 4{} ", GW_OK);
        check("{\"type\":\"ADDED\",\"object\":{\"n\":\"a\\u0000b\"}}\n", "0{\"n\":\"a\\u0000b\"} ",
              GW_OK);
}

static void a_line_that_has_not_ended_is_none(void **state)
{
        (void)state;
        check(ADDED, "", GW_OK);
        check(ADDED "\n" ADDED, "0{\"n\":1} ", GW_OK);
}

static void what_is_no_event_ends_it(void **state)
{
        static const char *const bad[] = {"{}",
                                          "[]",
                                          "nonsense",
                                          "{\"type\":\"ADDED\"}",
                                          "{\"type\":\"RENAMED\",\"object\":{}}",
                                          "{\"type\":\"ADDED\",\"object\":7}",
                                          "{\"type\":7,\"object\":{}}"};
        char bytes[256];
        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                snprintf(bytes, sizeof bytes, ADDED "\n%s\n" ADDED "\n", bad[i]);
                check(bytes, "0{\"n\":1} ", GW_ERR_INVALID);
        }
}

static void a_line_is_bounded(void **state)
{
        char line[128];
        (void)state;
        for (int pad = 0; pad < 2; pad++) {
                snprintf(line, sizeof line, "{\"type\":\"ADDED\",\"object\":{}%*s}\n",
                         MAX - 28 + pad, "");
                assert_int_equal(strlen(line), MAX + 1 + pad);
                check(line, pad ? "" : "0{} ", pad ? GW_ERR_TOO_LARGE : GW_OK);
        }
}

static void whoever_has_enough_gets_no_more(void **state)
{
        (void)state;
        check(ADDED "\n" ADDED "\n" ADDED "\n" ADDED "\nnonsense\n",
              "0{\"n\":1} 0{\"n\":1} 0{\"n\":1} ", GW_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_line_is_an_event),
                cmocka_unit_test(a_line_that_has_not_ended_is_none),
                cmocka_unit_test(what_is_no_event_ends_it),
                cmocka_unit_test(a_line_is_bounded),
                cmocka_unit_test(whoever_has_enough_gets_no_more),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
