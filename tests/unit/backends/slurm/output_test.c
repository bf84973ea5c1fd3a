/* Where output goes, and where it is looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
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

static size_t find(const struct gw_log_source *log, char *paths[GW_SLURM_OUTPUT_PATHS],
                   struct gw_error *err)
{
        return gw_slurm_output_find("ada", HOME, log, paths, err);
}

static void check_found(const struct gw_log_source *log, const char *first, const char *second)
{
        char *paths[GW_SLURM_OUTPUT_PATHS];
        size_t count = find(log, paths, NULL);
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

static void check_script(const char *script, const char *more, bool is_stderr, const char *expected)
{
        char *paths[GW_SLURM_OUTPUT_PATHS], spec[1024];
        struct gw_error err = {0};
        snprintf(spec, sizeof spec, "{\"script\": \"#!/bin/sh\\n%s\\n\"%s}", script, more);
        struct gw_log_source log = {
                .mark = mark(), .ref = "87", .node = "n1", .spec = spec, .want_stderr = is_stderr};
        size_t count = find(&log, paths, &err);
        assert_int_equal(count > 0, expected != NULL);
        if (count > 0)
                assert_string_equal(paths[0], expected);
        else
                assert_int_equal(err.code, GW_ERR_GONE);
        for (size_t i = 0; i < count; i++)
                free(paths[i]);
}

static void a_script_may_name_its_own_files(void **state)
{
        (void)state;
        check_script("#SBATCH -J x", "", false, HOME "/.jobgate/" MARK ".out");
        check_script("#SBATCH -J x", "", true, NULL);
        check_script("#SBATCH -o out-%j.%x -J x", "", false, HOME "/out-87.x");
        check_script("#SBATCH -o out -D /data", "", false, "/data/out");
        check_script("#SBATCH -o out -D data", "", false, HOME "/data/out");
        check_script("#SBATCH -o out -D /data", ", \"working_directory\": \"/tmp\"", false,
                     "/tmp/out");
        check_script("#SBATCH -o %x -J x", ", \"name\": \"y\"", false, HOME "/y");
        check_script("#SBATCH -e /e/%u-%N", "", true, "/e/ada-n1");
        check_script("#SBATCH -e /e/%u-%N", "", false, HOME "/.jobgate/" MARK ".out");
}

static void an_array_of_a_script_has_its_own_too(void **state)
{
        (void)state;
        char *paths[GW_SLURM_OUTPUT_PATHS];
        struct gw_error err = {0};
        struct gw_log_source log = {
                .mark = mark(), .ref = "87", .index_set = "0-20:2", .ordinal = 3};
        log.spec = "{\"script\": \"#!/bin/sh\\n#SBATCH -o o-%A_%3a\\n\"}";
        assert_int_equal(find(&log, paths, &err), 1);
        assert_string_equal(paths[0], HOME "/o-87_006");
        free(paths[0]);
        log.spec = "{\"script\": \"#!/bin/sh\\n#SBATCH -o o-%j\\n\"}";
        assert_int_equal(find(&log, paths, &err), 0);
        assert_int_equal(err.code, GW_ERR_GONE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_named_by_the_mark_and_the_task),
                cmocka_unit_test(a_log_is_looked_for),
                cmocka_unit_test(a_script_may_name_its_own_files),
                cmocka_unit_test(an_array_of_a_script_has_its_own_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
