#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/metrics.h"

static const char *const methods[] = {"GET", "POST", NULL};
static const char *const classes[] = {"2xx", "4xx", "5xx", NULL};
static const char *const odd[] = {"a\"b\\c\nd", NULL};

static char *text_of(struct gw_metrics *m, void (*write)(struct gw_metrics *, struct gw_buf *))
{
        struct gw_buf b = GW_BUF_INIT(1 << 20);
        write(m, &b);
        assert_true(gw_buf_ok(&b));
        return gw_buf_take(&b, NULL);
}

static void expect_line(const char *text, const char *line)
{
        char with_ends[256];
        snprintf(with_ends, sizeof with_ends, "\n%s\n", line);
        const char *at = strstr(text, with_ends);
        if (!at && strncmp(text, with_ends + 1, strlen(line) + 1) != 0)
                fail_msg("no line '%s' in\n%s", line, text);
}

static void nothing(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        char *text = text_of(m, gw_metrics_write);
        assert_string_equal(text, "# EOF\n");
        free(text);
        text = text_of(m, gw_metrics_write_text);
        assert_string_equal(text, "");
        free(text);
        gw_metrics_free(m);
        gw_metrics_free(NULL);
}

static void counters_and_gauges(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct gw_metric_family *requests =
                gw_metrics_add(m, GW_METRIC_COUNTER, "jobgate_requests", "Requests \"seen\".",
                               "method", methods, "class", classes);
        struct gw_metric_family *depth = gw_metrics_add(m, GW_METRIC_GAUGE, "jobgate_depth",
                                                        "Depth.", NULL, NULL, NULL, NULL);
        gw_metric_add(requests, 0, 0, 1);
        gw_metric_add(requests, 0, 0, 2);
        gw_metric_add(requests, 1, 2, 5);
        gw_metric_add(requests, 1, 0, 7);
        gw_metric_set(depth, 0, 0, 7);
        gw_metric_add(depth, 0, 0, -10);

        char *text = text_of(m, gw_metrics_write);
        assert_string_equal(text, "# TYPE jobgate_requests counter\n"
                                  "# HELP jobgate_requests Requests \\\"seen\\\".\n"
                                  "jobgate_requests_total{method=\"GET\",class=\"2xx\"} 3\n"
                                  "jobgate_requests_total{method=\"GET\",class=\"4xx\"} 0\n"
                                  "jobgate_requests_total{method=\"GET\",class=\"5xx\"} 0\n"
                                  "jobgate_requests_total{method=\"POST\",class=\"2xx\"} 7\n"
                                  "jobgate_requests_total{method=\"POST\",class=\"4xx\"} 0\n"
                                  "jobgate_requests_total{method=\"POST\",class=\"5xx\"} 5\n"
                                  "# TYPE jobgate_depth gauge\n"
                                  "# HELP jobgate_depth Depth.\n"
                                  "jobgate_depth -3\n"
                                  "# EOF\n");
        free(text);

        text = text_of(m, gw_metrics_write_text);
        expect_line(text, "# TYPE jobgate_requests_total counter");
        expect_line(text, "# HELP jobgate_requests_total Requests \"seen\".");
        expect_line(text, "jobgate_requests_total{method=\"GET\",class=\"2xx\"} 3");
        assert_null(strstr(text, "EOF"));
        free(text);
        gw_metrics_free(m);
}

static void seconds(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct gw_metric_family *f = gw_metrics_add(m, GW_METRIC_SECONDS, "jobgate_wait", "Wait.",
                                                    "method", methods, NULL, NULL);
        static const int64_t values[] = {
                -5, 0, 100, 101, 1000000, 1000001, 300000000, 300000001, INT64_C(86400000000)};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
                gw_metric_observe(f, 1, 0, values[i]);

        char *text = text_of(m, gw_metrics_write);
        expect_line(text, "# TYPE jobgate_wait_seconds histogram");
        expect_line(text, "# UNIT jobgate_wait_seconds seconds");
        expect_line(text, "# HELP jobgate_wait_seconds Wait.");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"POST\",le=\"0.0001\"} 3");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"POST\",le=\"0.00025\"} 4");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"POST\",le=\"0.5\"} 4");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"POST\",le=\"1.0\"} 5");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"POST\",le=\"2.5\"} 6");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"POST\",le=\"300.0\"} 7");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"POST\",le=\"+Inf\"} 9");
        expect_line(text, "jobgate_wait_seconds_sum{method=\"POST\"} 87002.000203");
        expect_line(text, "jobgate_wait_seconds_count{method=\"POST\"} 9");
        expect_line(text, "jobgate_wait_seconds_bucket{method=\"GET\",le=\"+Inf\"} 0");
        expect_line(text, "jobgate_wait_seconds_sum{method=\"GET\"} 0.000000");
        free(text);

        text = text_of(m, gw_metrics_write_text);
        assert_null(strstr(text, "# UNIT"));
        expect_line(text, "# TYPE jobgate_wait_seconds histogram");
        free(text);
        gw_metrics_free(m);
}

static void sizes(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct gw_metric_family *f = gw_metrics_add(m, GW_METRIC_SIZES, "jobgate_batch", "Batch.",
                                                    NULL, NULL, NULL, NULL);
        static const int64_t values[] = {
                0, 1, 2, 3, 4, 5, 1 << 20, (1 << 20) + 1, INT64_C(1) << 40};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
                gw_metric_observe(f, 0, 0, values[i]);
        char *text = text_of(m, gw_metrics_write);
        expect_line(text, "# TYPE jobgate_batch histogram");
        expect_line(text, "jobgate_batch_bucket{le=\"1.0\"} 2");
        expect_line(text, "jobgate_batch_bucket{le=\"2.0\"} 3");
        expect_line(text, "jobgate_batch_bucket{le=\"4.0\"} 5");
        expect_line(text, "jobgate_batch_bucket{le=\"8.0\"} 6");
        expect_line(text, "jobgate_batch_bucket{le=\"524288.0\"} 6");
        expect_line(text, "jobgate_batch_bucket{le=\"1048576.0\"} 7");
        expect_line(text, "jobgate_batch_bucket{le=\"+Inf\"} 9");
        expect_line(text, "jobgate_batch_sum 1099513724944");
        expect_line(text, "jobgate_batch_count 9");
        free(text);
        gw_metrics_free(m);
}

static void escapes(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        gw_metrics_add(m, GW_METRIC_GAUGE, "x", "two\nlines \\ \"q\"", "l", odd, NULL, NULL);
        char *text = text_of(m, gw_metrics_write);
        expect_line(text, "x{l=\"a\\\"b\\\\c\\nd\"} 0");
        expect_line(text, "# HELP x two\\nlines \\\\ \\\"q\\\"");
        free(text);
        text = text_of(m, gw_metrics_write_text);
        expect_line(text, "x{l=\"a\\\"b\\\\c\\nd\"} 0");
        expect_line(text, "# HELP x two\\nlines \\\\ \"q\"");
        free(text);
        gw_metrics_free(m);
}

static void no_family_does_nothing(void **state)
{
        (void)state;
        gw_metric_add(NULL, 1, 2, 3);
        gw_metric_set(NULL, 1, 2, 3);
        gw_metric_observe(NULL, 1, 2, 3);
}

#define EACH 100000

struct pair {
        struct gw_metric_family *counter, *histogram;
};

static void *count_up(void *arg)
{
        struct pair *pair = arg;
        for (int i = 0; i < EACH; i++) {
                gw_metric_add(pair->counter, 1, 0, 1);
                gw_metric_observe(pair->histogram, 0, 0, i % 200);
        }
        return NULL;
}

static void threads_lose_no_update(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct pair pair = {
                gw_metrics_add(m, GW_METRIC_COUNTER, "c", "C.", "method", methods, NULL, NULL),
                gw_metrics_add(m, GW_METRIC_SECONDS, "h", "H.", NULL, NULL, NULL, NULL),
        };
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, count_up, &pair), 0);
        for (int i = 0; i < 20; i++)
                free(text_of(m, gw_metrics_write));
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        char *text = text_of(m, gw_metrics_write);
        expect_line(text, "c_total{method=\"GET\"} 0");
        expect_line(text, "c_total{method=\"POST\"} 400000");
        expect_line(text, "h_seconds_count 400000");
        expect_line(text, "h_seconds_bucket{le=\"0.0001\"} 202000");
        free(text);
        gw_metrics_free(m);
}

static void a_full_buffer_says_so(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        gw_metrics_add(m, GW_METRIC_GAUGE, "x", "X.", NULL, NULL, NULL, NULL);
        struct gw_buf b = GW_BUF_INIT(10);
        gw_metrics_write(m, &b);
        assert_false(gw_buf_ok(&b));
        gw_buf_done(&b);
        gw_metrics_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing),
                cmocka_unit_test(counters_and_gauges),
                cmocka_unit_test(seconds),
                cmocka_unit_test(sizes),
                cmocka_unit_test(escapes),
                cmocka_unit_test(no_family_does_nothing),
                cmocka_unit_test(threads_lose_no_update),
                cmocka_unit_test(a_full_buffer_says_so),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
