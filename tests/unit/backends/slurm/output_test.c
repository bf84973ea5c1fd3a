/* Where output goes, and where it is looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "backends/slurm/output.h"
#include "server/base/cleanup.h"

#define MARK "01890a5d-ac96-774b-bcce-b302099a8057.3"
#define HOME "/home/ada"

static struct gw_mark mark(void)
{
        struct gw_mark m;
        assert_int_equal(gw_mark_parse(MARK, &m), 0);
        return m;
}

static void check_path(const char *folder, const char *task, bool is_stderr, const char *expected)
{
        gw_autofree char *path = gw_slurm_output_path(HOME, folder, mark(), task, is_stderr);
        assert_string_equal(path, expected);
}

static void a_file_is_named_by_the_mark_and_the_task(void **state)
{
        (void)state;
        gw_autofree char *folder = gw_slurm_output_folder(HOME);
        assert_string_equal(folder, HOME "/.jobgate");
        check_path(folder, NULL, false, HOME "/.jobgate/" MARK ".out");
        check_path(folder, NULL, true, HOME "/.jobgate/" MARK ".err");
        check_path(folder, "%a", false, HOME "/.jobgate/" MARK "_%a.out");
        check_path(NULL, NULL, false, HOME "/jobgate-" MARK ".out");
        check_path(NULL, "17", true, HOME "/jobgate-" MARK "_17.out");
}

static void check_found(const struct gw_log_source *log, const char *first, const char *second)
{
        char *paths[GW_SLURM_OUTPUT_PATHS];
        size_t count = gw_slurm_output_find(HOME, log, paths);
        assert_int_equal(count, !!first + !!second);
        for (size_t i = 0; i < count; i++) {
                assert_string_equal(paths[i], i == 0 ? first : second);
                free(paths[i]);
        }
}

static void a_log_is_looked_for(void **state)
{
        (void)state;
        struct gw_log_source log = {.mark = mark()};
        check_found(&log, HOME "/.jobgate/" MARK ".out", HOME "/jobgate-" MARK ".out");
        log.want_stderr = true;
        check_found(&log, HOME "/.jobgate/" MARK ".err", NULL);
        log = (struct gw_log_source){.mark = mark(), .index_set = "10-20:5,7", .ordinal = 2};
        check_found(&log, HOME "/.jobgate/" MARK "_15.out", HOME "/jobgate-" MARK "_15.out");
        log.ordinal = 4;
        check_found(&log, NULL, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_named_by_the_mark_and_the_task),
                cmocka_unit_test(a_log_is_looked_for),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
