#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/base/log.h"

static int log_fd;

static int set_up(void **state)
{
        (void)state;
        log_fd = memfd_create("log", 0);
        gw_log_init(GW_LOG_INFO, log_fd);
        return log_fd < 0;
}

static int tear_down(void **state)
{
        (void)state;
        gw_log_init(GW_LOG_INFO, STDERR_FILENO);
        return close(log_fd);
}

/* All that was written; the caller frees. */
static char *written(void)
{
        off_t len = lseek(log_fd, 0, SEEK_END);
        char *text = calloc(1, (size_t)len + 1);
        assert_non_null(text);
        assert_int_equal(pread(log_fd, text, (size_t)len, 0), len);
        return text;
}

/* The only line, read back; the caller drops it. */
static json_t *only_line(void)
{
        char *text = written();
        char *end = strchr(text, '\n');
        assert_non_null(end);
        assert_int_equal(end[1], '\0');
        json_error_t why;
        json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &why);
        if (!line)
                fail_msg("%s: %s", why.text, text);
        free(text);
        return line;
}

static const char *member(const json_t *line, const char *key)
{
        const char *s = json_string_value(json_object_get(line, key));
        assert_non_null(s);
        return s;
}

static void line_has_its_parts(void **state)
{
        (void)state;
        int64_t before = gw_clock_wall_us(), at;
        gw_log(GW_LOG_WARN, "db.connected", "{s:s, s:i, s:b}", "host", "h", "port", 5432, "tls", 0);
        json_t *line = only_line();
        assert_int_equal(gw_time_parse(member(line, "time"), &at), 0);
        assert_true(at >= before && at <= gw_clock_wall_us());
        assert_string_equal(member(line, "level"), "warn");
        assert_string_equal(member(line, "event"), "db.connected");
        assert_string_equal(member(line, "host"), "h");
        assert_int_equal(json_integer_value(json_object_get(line, "port")), 5432);
        assert_true(json_is_false(json_object_get(line, "tls")));
        assert_int_equal(json_object_size(line), 7);
        json_decref(line);
}

static void *log_from_thread(void *arg)
{
        pthread_setname_np(pthread_self(), "writer");
        gw_log(GW_LOG_INFO, "a.b", NULL);
        return arg;
}

static void names_the_thread(void **state)
{
        (void)state;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, log_from_thread, NULL), 0);
        pthread_join(thread, NULL);
        json_t *line = only_line();
        assert_string_equal(member(line, "thread"), "writer");
        assert_int_equal(json_object_size(line), 4);
        json_decref(line);
}

static void escapes(void **state)
{
        (void)state;
        static const char hostile[] = "a\"b\\c\n{\"level\":\"x\"}\x01\x1b[31m\xc3\xa9";
        gw_log(GW_LOG_INFO, "a.b", "{s:s}", "text", hostile);
        json_t *line = only_line();
        assert_string_equal(member(line, "text"), hostile);
        json_decref(line);
}

static void empty_fields(void **state)
{
        (void)state;
        gw_log(GW_LOG_INFO, "a.b", "{}");
        json_t *line = only_line();
        assert_int_equal(json_object_size(line), 4);
        json_decref(line);
}

static void fields_that_cannot_be_packed_are_said(void **state)
{
        (void)state;
        gw_log(GW_LOG_INFO, "a.b", "{s:s}", "text", "\xff\xfe");
        json_t *line = only_line();
        assert_non_null(strstr(member(line, "fields_error"), "UTF-8"));
        assert_null(json_object_get(line, "text"));
        json_decref(line);
}

static void numbers_are_json(void **state)
{
        (void)state;
        gw_log(GW_LOG_INFO, "a.b", "{s:f, s:I}", "f", 0.5, "i", (json_int_t)INT64_MIN);
        json_t *line = only_line();
        assert_true(json_real_value(json_object_get(line, "f")) == 0.5);
        assert_true(json_integer_value(json_object_get(line, "i")) == INT64_MIN);
        json_decref(line);
}

static void nan_is_said(void **state)
{
        (void)state;
        gw_log(GW_LOG_INFO, "a.b", "{s:f}", "f", (double)NAN);
        json_t *line = only_line();
        assert_non_null(json_object_get(line, "fields_error"));
        json_decref(line);
}

static void filters_by_level(void **state)
{
        (void)state;
        gw_log(GW_LOG_DEBUG, "too.low", NULL);
        assert_int_equal(lseek(log_fd, 0, SEEK_END), 0);
        assert_false(gw_log_enabled(GW_LOG_DEBUG));
        assert_true(gw_log_enabled(GW_LOG_INFO));
        gw_log_init(GW_LOG_ERROR, log_fd);
        gw_log(GW_LOG_WARN, "too.low", NULL);
        gw_log(GW_LOG_ERROR, "a.b", NULL);
        json_decref(only_line());
}

static void level_names(void **state)
{
        (void)state;
        static const char *const names[] = {"debug", "info", "warn", "error"};
        enum gw_log_level level;
        for (int i = 0; i < 4; i++) {
                assert_int_equal(gw_log_level_parse(names[i], &level), 0);
                assert_int_equal(level, i);
        }
        assert_int_equal(gw_log_level_parse("INFO", &level), -1);
        assert_int_equal(gw_log_level_parse("", &level), -1);
        assert_int_equal(gw_log_level_parse("warning", &level), -1);
}

/* A line of exactly 8192 bytes is whole, one of 8193 is cut. */
static void cuts_long_lines(void **state)
{
        (void)state;
        gw_log(GW_LOG_INFO, "a.b", "{s:s}", "x", "");
        size_t frame = (size_t)lseek(log_fd, 0, SEEK_END);
        char *text = calloc(1, 8193 - frame + 1);
        assert_non_null(text);

        memset(text, 'y', 8192 - frame);
        assert_int_equal(ftruncate(log_fd, 0) | lseek(log_fd, 0, SEEK_SET), 0);
        gw_log(GW_LOG_INFO, "a.b", "{s:s}", "x", text);
        assert_int_equal(lseek(log_fd, 0, SEEK_END), 8192);
        json_t *line = only_line();
        assert_int_equal(json_string_length(json_object_get(line, "x")), 8192 - frame);
        json_decref(line);

        text[8192 - frame] = 'y';
        assert_int_equal(ftruncate(log_fd, 0) | lseek(log_fd, 0, SEEK_SET), 0);
        gw_log(GW_LOG_INFO, "a.b", "{s:s}", "x", text);
        line = only_line();
        assert_true(json_is_true(json_object_get(line, "cut")));
        assert_string_equal(member(line, "event"), "a.b");
        assert_string_equal(member(line, "level"), "info");
        assert_null(json_object_get(line, "x"));
        json_decref(line);
        free(text);
}

static void errors(void **state)
{
        (void)state;
        struct gw_error err = {0};
        gw_fail(&err, GW_ERR_UNAVAILABLE, "no \"database\"");
        gw_log_error("db.lost", &err);
        json_t *line = only_line();
        assert_string_equal(member(line, "level"), "error");
        assert_string_equal(member(line, "event"), "db.lost");
        assert_string_equal(member(line, "code"), "unavailable");
        assert_string_equal(member(line, "message"), "no \"database\"");
        assert_null(json_object_get(line, "pointer"));
        json_decref(line);
}

static void errors_with_pointer(void **state)
{
        (void)state;
        struct gw_error err = {0};
        gw_fail_at(&err, GW_ERR_INVALID, "/a", "x");
        gw_log_error("a.b", &err);
        json_t *line = only_line();
        assert_string_equal(member(line, "pointer"), "/a");
        json_decref(line);
}

static void leaves_errno(void **state)
{
        (void)state;
        gw_log_init(GW_LOG_INFO, -1);
        errno = ENOENT;
        gw_log(GW_LOG_INFO, "a.b", NULL);
        assert_int_equal(errno, ENOENT);
}

#define EACH 200

static void *log_many(void *arg)
{
        for (int i = 0; i < EACH; i++)
                gw_log(GW_LOG_INFO, "a.b", "{s:s}", "x", (const char *)arg);
        return NULL;
}

/* Lines of several threads never mix. */
static void lines_stay_whole(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        gw_log_init(GW_LOG_INFO, ends[1]);
        static char texts[3][1000];
        pthread_t threads[3];
        for (int i = 0; i < 3; i++) {
                memset(texts[i], 'a' + i, sizeof texts[i] - 1);
                assert_int_equal(pthread_create(&threads[i], NULL, log_many, texts[i]), 0);
        }
        FILE *in = fdopen(ends[0], "r");
        char *line = NULL;
        size_t size = 0;
        for (int i = 0; i < 3 * EACH; i++) {
                assert_true(getline(&line, &size, in) > 0);
                json_t *v = json_loads(line, 0, NULL);
                const char *x = member(v, "x");
                assert_int_equal(strspn(x, (char[]){x[0], '\0'}), 999);
                json_decref(v);
        }
        for (int i = 0; i < 3; i++)
                pthread_join(threads[i], NULL);
        free(line);
        fclose(in);
        close(ends[1]);
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOG_TEST(line_has_its_parts),
                LOG_TEST(names_the_thread),
                LOG_TEST(escapes),
                LOG_TEST(empty_fields),
                LOG_TEST(fields_that_cannot_be_packed_are_said),
                LOG_TEST(numbers_are_json),
                LOG_TEST(nan_is_said),
                LOG_TEST(filters_by_level),
                LOG_TEST(level_names),
                LOG_TEST(cuts_long_lines),
                LOG_TEST(errors),
                LOG_TEST(errors_with_pointer),
                LOG_TEST(leaves_errno),
                LOG_TEST(lines_stay_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
