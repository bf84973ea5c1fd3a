/* Names of output files; the expected ones are what nodes of Slurm 22.05 made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/slurm/pattern.h"
#include "server/base/cleanup.h"

static const struct gw_slurm_names plain = {
        .job = 87, .host = "vm", .user = "ada", .name = "my job", .folder = "/home/ada"};
static const struct gw_slurm_names task = {
        .array = 25, .is_task = true, .task = 17, .host = "vm", .user = "ada", .folder = "/d"};

static void check(const struct gw_slurm_names *names, const char *pattern, const char *expected)
{
        struct gw_buf out = GW_BUF_INIT(4096);
        int rc = gw_slurm_pattern_expand(pattern, names, &out);
        assert_int_equal(rc, expected ? 0 : -1);
        if (expected)
                assert_string_equal(out.data, expected);
        gw_buf_done(&out);
}

static void patterns_become_names(void **state)
{
        static const char *const cases[][2] = {
                {"/o/%j", "/o/87"},
                {"o/%J", "/home/ada/o/87"},
                {"/A-%A", "/A-87"},
                {"/a-%a", "/a-4294967294"},
                {"/%N-%n-%t-%s-%u-%x", "/vm-0-0-batch-ada-my job"},
                {"/pp-%%", "/pp-%"},
                {"/d%%j", "/d%j"},
                {"/w-%5j-%05j", "/w-00087-00087"},
                {"/w-%12j", "/w-0000000087"},
                {"/w-%4x-%4s", "/w-my job-batch"},
                {"/q-%q-%b-%", "/q-%q-%b-%"},
                {"/bs\\%j", "/bs%j"},
                {"/b-%j\\\\x", "/b-%j\\x"},
                {"", "/home/ada/"},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++)
                check(&plain, cases[i][0], cases[i][1]);
        check(&task, "arr-%A-%a-%4a-%x", "/d/arr-25-17-0017-(null)");
}

static void what_is_not_known_is_not_guessed(void **state)
{
        (void)state;
        struct gw_slurm_names nameless = {.user = "ada", .folder = "/d"};
        check(&task, "%j", NULL);
        check(&nameless, "%j", NULL);
        check(&nameless, "%A", NULL);
        check(&nameless, "%N", NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(patterns_become_names),
                cmocka_unit_test(what_is_not_known_is_not_guessed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
