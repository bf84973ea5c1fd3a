/* Settings files: what they become, what is said of bad ones, and that what is printed can be
 * read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/log.h"
#include "server/config.h"

#define ORIGINS                                                                                    \
        "cors.origins: must be `*`, or origins with commas between, as browsers send them: "       \
        "lower case, without a '/' at the end\n"
#define LEAST "database: {serve: 'dbname=x'}\n"

static char path[] = "/tmp/jobgate-config-XXXXXX";

static void write_file(const char *text, size_t len)
{
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, len, f), len);
        fclose(f);
}

static int load(const char *text, struct gw_config *c, struct gw_faults *faults)
{
        write_file(text, strlen(text));
        gw_faults_init(faults);
        return gw_config_load(path, c, faults);
}

static struct gw_config good(const char *text)
{
        struct gw_config c;
        struct gw_faults faults;
        if (load(text, &c, &faults) < 0)
                fail_msg("%s\n%s: %s", text, faults.items[0].pointer, faults.items[0].detail);
        return c;
}

static void test_defaults(void **state)
{
        (void)state;
        struct gw_config c = good(LEAST);
        assert_string_equal(c.listen_address, "127.0.0.1");
        assert_int_equal(c.listen_port, 8000);
        assert_int_equal(c.listen_loops, 0);
        assert_int_equal(c.listen_max_connections, GW_MAX_CONNECTIONS);
        assert_int_equal(c.listen_max_body, GW_MAX_BODY_BYTES);
        assert_int_equal(c.listen_max_lines, GW_MAX_LINES_BYTES);
        assert_int_equal(c.listen_max_user_lines, GW_MAX_USER_LINES_BYTES);
        assert_string_equal(c.database_serve, "dbname=x");
        assert_null(c.database_owner);
        assert_int_equal(c.log_level, GW_LOG_INFO);
        assert_string_equal(c.url, "http://127.0.0.1:8000");
        assert_null(c.cors_origins);
        assert_true(c.retention_s == 90 * 86400);
        assert_int_equal(c.max_wait_s, GW_MAX_WAIT_S);
        assert_int_equal(c.max_waiters, GW_MAX_WAITERS);
        assert_int_equal(c.max_array, GW_MAX_ARRAY);
        assert_int_equal(c.max_followers, GW_MAX_FOLLOWERS);
        assert_int_equal(c.max_user_followers, GW_MAX_USER_FOLLOWERS);
        assert_int_equal(c.backend_count, 0);
        gw_config_done(&c);
}

static void test_every_setting(void **state)
{
        (void)state;
        struct gw_config c = good("listen: {address: '::1', port: 80, loops: 3, max_connections: 7,"
                                  " max_body: 2Mi, max_user_lines: 3Mi}\n"
                                  "database: {serve: a, owner: b}\n"
                                  "log: {level: error}\n"
                                  "url: https://jobs.example\n"
                                  "cors: {origins: 'https://a.example, http://[::1]:3000'}\n"
                                  "retention: 0\nmax_wait: 1m\nmax_waiters: 9\nmax_array: 50\n"
                                  "max_followers: 8\nmax_user_followers: 4\n"
                                  "backends:\n"
                                  "- {name: one, type: local, window: 5, cpus: 2, more: {a: [1]}}\n"
                                  "- {name: two, type: local, url: 'http://own'}\n");
        assert_string_equal(c.listen_address, "::1");
        assert_int_equal(c.listen_port, 80);
        assert_int_equal(c.listen_loops, 3);
        assert_int_equal(c.listen_max_connections, 7);
        assert_int_equal(c.listen_max_body, 2 << 20);
        assert_int_equal(c.listen_max_user_lines, 3 << 20);
        assert_string_equal(c.database_owner, "b");
        assert_int_equal(c.log_level, GW_LOG_ERROR);
        assert_string_equal(c.url, "https://jobs.example");
        assert_string_equal(c.cors_origins, "https://a.example, http://[::1]:3000");
        assert_int_equal(c.retention_s, 0);
        assert_int_equal(c.max_wait_s, 60);
        assert_int_equal(c.max_waiters, 9);
        assert_int_equal(c.max_array, 50);
        assert_int_equal(c.max_followers, 8);
        assert_int_equal(c.max_user_followers, 4);
        assert_int_equal(c.backend_count, 2);
        assert_string_equal(c.backends[0].name, "one");
        assert_string_equal(c.backends[0].type, "local");
        assert_int_equal(c.backends[0].window, 5);
        assert_int_equal(c.backends[1].window, 100);
        /* The type sees its own settings and the gateway's URL. */
        json_auto_t *own = json_pack("{s:i, s:{s:[i]}, s:s}", "cpus", 2, "more", "a", 1, "url",
                                     "https://jobs.example");
        assert_true(json_equal(c.backends[0].settings, own));
        assert_string_equal(json_string_value(json_object_get(c.backends[1].settings, "url")),
                            "http://own");
        gw_config_done(&c);
}

static void test_the_url_of_an_address(void **state)
{
        (void)state;
        char host[256] = "", want[300];
        gethostname(host, sizeof host - 1);
        struct gw_config c = good("listen: {address: '::1', port: 81}\n" LEAST);
        assert_string_equal(c.url, "http://[::1]:81");
        gw_config_done(&c);
        c = good("listen: {address: 0.0.0.0}\n" LEAST);
        snprintf(want, sizeof want, "http://%s:8000", host);
        assert_string_equal(c.url, want);
        gw_config_done(&c);
}

/* What is wrong, as the program says it, a line for each. */
static void describe(const struct gw_faults *faults, char *out, size_t size)
{
        size_t n = 0;
        out[0] = '\0';
        for (size_t i = 0; i < faults->count && n < size; i++)
                n += (size_t)snprintf(out + n, size - n, "%s: %s\n", faults->items[i].pointer,
                                      faults->items[i].detail);
}

static void test_bad_settings(void **state)
{
        (void)state;
        static const struct {
                const char *text, *says;
        } cases[] = {
                {"", "database.serve: is required\n"},
                {"database:\n", "database.serve: is required\n"},
                {"database: {serve: ''}\n",
                 "database.serve: must be a PostgreSQL connection string\n"},
                {"database: {serve: 5}\n",
                 "database.serve: must be a PostgreSQL connection string\n"},
                {"[]", ": the settings file must hold a mapping of settings\n"},
                {"database: 5", "database: must be a section with settings\n"
                                "database.serve: is required\n"},
                {LEAST "listen: {port: eighty}",
                 "listen.port: must be a whole number from 1 to 65535\n"},
                {LEAST "listen: {port: 0}",
                 "listen.port: must be a whole number from 1 to 65535\n"},
                {LEAST "listen: {port: 65536}",
                 "listen.port: must be a whole number from 1 to 65535\n"},
                {LEAST "listen: {port: 8.5}",
                 "listen.port: must be a whole number from 1 to 65535\n"},
                {LEAST "listen: {port: [1]}",
                 "listen.port: must be a whole number from 1 to 65535\n"},
                {LEAST "listen: {prot: 1}",
                 "listen.prot: there is no such setting; did you mean listen.port?\n"},
                {LEAST "listen: {max_body: 1023}", "listen.max_body: must be a size from 1Ki to "
                                                   "256Mi\n"},
                {LEAST "lisen: {}", "lisen: there is no such setting; did you mean listen?\n"},
                {LEAST "listen.port: 1",
                 "listen.port: must stand in the section listen, without the dot\n"},
                {LEAST "colour: red", "colour: there is no such setting (see --print-settings)\n"},
                {LEAST "log: {level: loud}",
                 "log.level: must be one of debug, info, warn, error\n"},
                {LEAST "url: ftp://x",
                 "url: must be a URL: http:// or https://, without a '/' at its end\n"},
                {LEAST "url: http://x/",
                 "url: must be a URL: http:// or https://, without a '/' at its end\n"},
                {LEAST "url: 'http://'",
                 "url: must be a URL: http:// or https://, without a '/' at its end\n"},
                {LEAST "cors: {origins: a.example}", ORIGINS},
                {LEAST "cors: {origins: 'https://'}", ORIGINS},
                {LEAST "cors: {origins: 'https://a.example/'}", ORIGINS},
                {LEAST "cors: {origins: 'https://A.example'}", ORIGINS},
                {LEAST "cors: {origins: 'https://*.example'}", ORIGINS},
                {LEAST "cors: {origins: 'null'}", ORIGINS},
                {LEAST "cors: {origins: '*, https://a.example'}", ORIGINS},
                {LEAST "cors: {origins: 'https://a.example,'}", ORIGINS},
                {LEAST "cors: {origins: 'https://a.example https://b.example'}", ORIGINS},
                {LEAST "retention: 3 weeks", "retention: must be a duration from 0s to 36525d\n"},
                {LEAST "max_array: 0", "max_array: must be a whole number from 1 to 1000000\n"},
                {LEAST "max_array: 1000001",
                 "max_array: must be a whole number from 1 to 1000000\n"},
                {LEAST "max_wait: 241", "max_wait: must be a duration from 0s to 4m\n"},
                {LEAST "backends: 5", "backends: must be a list of at most 64 sections\n"},
                {LEAST "backends: [5]", "backends[0]: must be a section with settings\n"},
                {LEAST "backends: [{type: local}]", "backends[0].name: is required\n"},
                {LEAST "backends: [{name: x}]", "backends[0].type: is required\n"},
                {LEAST "backends: [{name: x, type: abacus}]",
                 "backends[0].type: there is no backend type \"abacus\"; there are: local, slurm, kubernetes\n"},
                {LEAST "backends: [{name: a b, type: local}]",
                 "backends[0].name: must be a name: at most 31 letters, digits, '-', '_' and '.'\n"},
                {LEAST "backends: [{name: abcdefghijklmnopqrstuvwxyz123456, type: local}]",
                 "backends[0].name: must be a name: at most 31 letters, digits, '-', '_' and '.'\n"},
                {LEAST "backends: [{name: x, type: local}, {name: x, type: local}]",
                 "backends[1].name: backends[0] has the same name\n"},
                {LEAST "backends: [{name: x, type: local, window: 0}]",
                 "backends[0].window: must be a whole number from 1 to 100000\n"},
                {"lisen: {}\nlisten: {port: x}\n", "lisen: there is no such setting; did you mean "
                                                   "listen?\n"
                                                   "listen.port: must be a whole number from 1 to "
                                                   "65535\n"
                                                   "database.serve: is required\n"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_config c;
                struct gw_faults faults;
                char said[4096];
                assert_int_equal(load(cases[i].text, &c, &faults), -1);
                describe(&faults, said, sizeof said);
                assert_string_equal(said, cases[i].says);
        }
}

static void test_files_that_are_none(void **state)
{
        (void)state;
        struct gw_config c;
        struct gw_faults faults;
        assert_int_equal(load("a: [", &c, &faults), -1);
        assert_non_null(strstr(faults.items[0].detail, path)); /* and line and column */
        gw_faults_init(&faults);
        assert_int_equal(gw_config_load("/tmp/jobgate-there-is-no-such-file", &c, &faults), -1);
        assert_non_null(strstr(faults.items[0].detail, "cannot be read"));
        gw_faults_init(&faults);
        assert_int_equal(gw_config_load("/tmp", &c, &faults), -1);
        size_t len = 1024 * 1024 + 1;
        char *large = malloc(len);
        assert_non_null(large);
        memset(large, '#', len);
        write_file(large, len);
        gw_faults_init(&faults);
        assert_int_equal(gw_config_load(path, &c, &faults), -1);
        assert_non_null(strstr(faults.items[0].detail, "cannot be read"));
        free(large);
}

static char *print(const struct gw_config *c)
{
        struct gw_buf out = GW_BUF_INIT(1 << 20);
        gw_config_print(c, &out);
        assert_true(gw_buf_ok(&out));
        return gw_buf_take(&out, NULL);
}

static void test_what_is_printed_can_be_read(void **state)
{
        (void)state;
        struct gw_config c =
                good(LEAST "retention: 2h30m\nlisten: {max_body: 3000}\nbackends:\n"
                           "- {name: one, type: local, more: {a: [1, 'x: y']}, text: \"a\\nb\"}\n");
        gw_autofree char *first = print(&c);
        gw_config_done(&c);
        c = good(first);
        assert_int_equal(c.retention_s, 9000);
        gw_autofree char *second = print(&c);
        gw_config_done(&c);
        assert_string_equal(first, second);
}

static void test_secrets_are_not_printed(void **state)
{
        (void)state;
        struct gw_config c = good("database: {serve: \"password='hu sh'\","
                                  " owner: 'postgresql://a:hush@h/d'}\n"
                                  "backends: [{name: x, type: local, api_token: hush,"
                                  " password: {a: hush}}]\n");
        gw_autofree char *text = print(&c);
        gw_config_done(&c);
        assert_null(strstr(text, "sh'"));
        assert_null(strstr(text, "hush"));
        assert_non_null(strstr(text, "postgresql://a:****@h/d"));
}

static void test_the_reference(void **state)
{
        (void)state;
        static const char *const names[] = {
                "listen.address",
                "listen.port",
                "listen.loops",
                "listen.max_connections",
                "listen.max_body",
                "listen.max_lines",
                "listen.max_lines_time",
                "listen.max_user_lines",
                "database.serve",
                "database.owner",
                "log.level",
                "url",
                "retention",
                "max_wait",
                "max_waiters",
                "max_array",
                "max_followers",
                "max_user_followers",
                "name",
                "type",
                "window",
                "directory",
                "cpus",
                "memory",
                "gpus",
                "user",
                "grace",
                "shim",
        };
        struct gw_buf out = GW_BUF_INIT(1 << 20);
        gw_config_reference(&out);
        assert_true(gw_buf_ok(&out));
        for (size_t i = 0; i < GW_COUNT(names); i++) {
                char row[64];
                snprintf(row, sizeof row, "\n| `%s` | ", names[i]);
                if (!strstr(out.data, row))
                        fail_msg("%s is not in the reference", names[i]);
        }
        gw_buf_done(&out);
}

static int make_file(void **state)
{
        (void)state;
        int fd = mkstemp(path);
        return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
        (void)state;
        return unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_every_setting),
                cmocka_unit_test(test_the_url_of_an_address),
                cmocka_unit_test(test_bad_settings),
                cmocka_unit_test(test_files_that_are_none),
                cmocka_unit_test(test_what_is_printed_can_be_read),
                cmocka_unit_test(test_secrets_are_not_printed),
                cmocka_unit_test(test_the_reference),
        };
        return cmocka_run_group_tests(tests, make_file, remove_file);
}
