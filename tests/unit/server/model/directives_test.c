/* What sbatch reads in scripts. Each row was compared with sbatch 22.05;
 * tests/integration/slurm/directives_test.py does it again with the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/model/directives.h"

#define S "#!/bin/sh\n"

static const struct {
        const char *script, *name, *array;
} rows[] = {
        {S "#SBATCH --job-name=train --array=0-9\ntrue\n", "train", "0-9"},
        {S "#SBATCH -J train -a0-9", "train", "0-9"},
        {S "#SBATCH\n#SBATCH\t-a\t5\ntrue\n", NULL, "5"},
        {S "#SBATCH--array=1\ntrue\n", NULL, "1"},
        {S "#SBATCH --arr 1-2 --job-n x\ntrue\n", "x", "1-2"},
        {S "#SBATCH --a 1-2 -J x\ntrue\n", "x", NULL}, /* may be another: sbatch refuses it */
        {S "#SBATCH --arrays=1 -J x\ntrue\n", "x", NULL},
        {S "#SBATCH -Qa1-2\ntrue\n", NULL, "1-2"},
        {S "#SBATCH -a=1-2\ntrue\n", NULL, "=1-2"},
        {S "#SBATCH -a 1 -J one --array 4 -J two\ntrue\n", "two", "4"},
        {S "#SBATCH --array=1-4 --array=\ntrue\n", NULL, NULL},
        {S "#SBATCH -a\n#SBATCH 1-4\ntrue\n", NULL, "1-4"},
        {S "#SBATCH -a\ntrue\n", NULL, NULL},
        {S "#SBATCH -N1 -k -a 1\n#SBATCH -k5 -J x\ntrue\n", "x", "1"},
        {S "#SBATCH --nice -a 1 --exclusive=user -J x\ntrue\n", "x", "1"},
        {S "#SBATCH --comment -a -J x\ntrue\n", "x", NULL},
        {S "#SBATCH --comment=\"-a 3\" -a \"1,2\"\ntrue\n", NULL, "1,2"},
        {S "#SBATCH -J 'my job' -a 1\ntrue\n", "my job", "1"},
        {S "#SBATCH -J a\\ b\\'c\ntrue\n", "a b'c", NULL},
        {S "#SBATCH -J 'a\\'b'\ntrue\n", "a'b", NULL},
        {S "#SBATCH -J \"it's\" -a 1\ntrue\n", "it's", "1"},
        {S "#SBATCH -J a#b -a 1\ntrue\n", "a", NULL},
        {S "#SBATCH -J 'a#b' -a 1\ntrue\n", "a#b", "1"},
        {S "#SBATCH -J a\"\" \"\" -a 1\ntrue\n", "a", NULL},
        {S "#SBATCH -a 1 # -a 2\ntrue\n", NULL, "1"},
        {S "#SBATCH -a 1 \\\n#SBATCH -J x\ntrue\n", "x", "1"},
        {S "#SBATCH -a 1 --\n#SBATCH -J x\ntrue\n", NULL, "1"},
        {S "#SBATCH -a 1 'open\n#SBATCH -J x\ntrue\n", NULL, "1"},
        {S "\n \t\n  # hello\n#SBATCH -a 5\ntrue\n#SBATCH -a 6\n", NULL, "5"},
        {S "true\n#SBATCH -a 6\n", NULL, NULL},
        {S " #SBATCH -a 6\n##SBATCH -a 6\n#sbatch -a 6\n", NULL, NULL},
        {S "#SLURM -J old -a 3\ntrue\n", "old", "3"},
        {S "#SBATCH -J one\n#SBATCH HetJob\n#SBATCH -J two\ntrue\n", "one", NULL},
        {S "#PBS -N x -t 1-3\ntrue\n", "x", "1-3"},
        {S "#PBS -J 2-4\n#SBATCH -a 7 -J x\ntrue\n", "x", "2-4"},
        {S "true\n#PBS -N late -J 1-2\n", "late", "1-2"},
        {S "#SBATCH --ignore-pbs\n#PBS -N x\ntrue\n", NULL, NULL},
        {S "#BSUB -J bs[1-3]\n#PBS -N pb\n#SBATCH -J sb\ntrue\n", "bs[1-3]", NULL},
        {"#SBATCH -J x", "x", NULL},
        {"#SBATCH", NULL, NULL},
        {"", NULL, NULL},
};

static void check_text(const char *script, const char *found, const char *wanted)
{
        if (!found != !wanted || (found && strcmp(found, wanted) != 0))
                fail_msg("%s: \"%s\", not \"%s\"", script, found ? found : "(none)",
                         wanted ? wanted : "(none)");
}

/* What decides where a job may start. */
static const struct {
        const char *script, *partition, *time, *account, *qos;
} places[] = {
        {S "#SBATCH -p low -t 1:00 -A physics -q high", "low", "1:00", "physics", "high"},
        {S "#SBATCH --part=a,b --time 2-0 --account=x --qos=y", "a,b", "2-0", "x", "y"},
        {S "#SBATCH -Qplow\n#SBATCH --time-min=5 --partition=", NULL, NULL, NULL, NULL},
        {S "#SBATCH -p a -t 5 -q y\n#BSUB -q b -W 10", "b", "10", NULL, "y"},
        {S "#SBATCH -p a -t 5 -q y\n#PBS -q b -A x", "b", "5", "x", "y"},
};

static void test_places(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(places); i++) {
                struct gw_directives d;
                assert_int_equal(gw_directives_read(places[i].script, &d), 0);
                check_text(places[i].script, d.partition, places[i].partition);
                check_text(places[i].script, d.time, places[i].time);
                check_text(places[i].script, d.account, places[i].account);
                check_text(places[i].script, d.qos, places[i].qos);
                gw_directives_done(&d);
        }
}

static void test_scripts(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                struct gw_directives d;
                assert_int_equal(gw_directives_read(rows[i].script, &d), 0);
                check_text(rows[i].script, d.name, rows[i].name);
                check_text(rows[i].script, d.array, rows[i].array);
                gw_directives_done(&d);
        }
}

static void test_whether_there_is_anything(void **state)
{
        (void)state;
        static const char *const with[] = {"#SBATCH", S "\n# a\n#SLURM x", S "#PBS\n",
                                           S "true\n#BSUB -x\n"};
        static const char *const without[] = {"", S, S "true\n#SBATCH -a 1\n",
                                              S " #SBATCH\n##SBATCH\n#sbatch\n #PBS\n"};
        for (size_t i = 0; i < GW_COUNT(with); i++)
                assert_true(gw_directives_any(with[i]));
        for (size_t i = 0; i < GW_COUNT(without); i++)
                assert_false(gw_directives_any(without[i]));
}

static void what_takes_a_job_from_here_is_seen(void **state)
{
        static const struct {
                const char *line, *clusters;
                bool waits;
        } cases[] = {
                {"#SBATCH -W", NULL, true},
                {"#SBATCH -OWH -J x", NULL, true},
                {"#SBATCH --wait", NULL, true},
                {"#SBATCH --wait-all-nodes=1", NULL, false},
                {"#SBATCH -M blue", "blue", false},
                {"#SBATCH --clusters=blue,red", "blue,red", false},
                {"#SBATCH --cluster blue -W", "blue", true},
                {"#SBATCH -c 2 -J W", NULL, false},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char script[128];
                struct gw_directives d;
                snprintf(script, sizeof script, "#!/bin/sh\n%s\ntrue\n", cases[i].line);
                assert_int_equal(gw_directives_read(script, &d), 0);
                assert_int_equal(d.waits, cases[i].waits);
                if (cases[i].clusters)
                        assert_string_equal(d.clusters, cases[i].clusters);
                else
                        assert_null(d.clusters);
                gw_directives_done(&d);
        }
        assert_true(gw_directives_needs_value("mail-user"));
        assert_false(gw_directives_needs_value("nice"));
        assert_false(gw_directives_needs_value("exclusive"));
        assert_false(gw_directives_needs_value("overcommit"));
}

/* #PBS is looked for until behind the hundredth line that is no comment. */
static void test_other_lines_end_too(void **state)
{
        (void)state;
        struct gw_buf script = GW_BUF_INIT(4096);
        for (int lines = 99; lines <= 101; lines++) {
                gw_buf_clear(&script);
                gw_buf_str(&script, S);
                for (int i = 0; i < lines; i++)
                        gw_buf_str(&script, i % 2 ? "true\n# and\n" : "\n");
                gw_buf_str(&script, "#PBS -N x\n");
                assert_int_equal(gw_directives_any(script.data), lines <= 100);
        }
        gw_buf_done(&script);
}

static const struct {
        const char *text, *indices;
        uint32_t max_parallel;
} arrays[] = {
        {"0-3", "0-3", 0},
        {"7", "7", 0},
        {"0-15:4%2,20", "0-12:4,20", 2},
        {"0-15:4,20%2", "0-12:4,20", 2},
        {"1%2,5-7%3", "1,5-7", 2},
        {"1,1,2", "1-2", 0},
        {"3,1", "1,3", 0},
        {"1,,2,", "1-2", 0},
        {"[0-3]%2", "0-3", 2},
        {"[1-[3", NULL, 0},
        {"%2", "0", 2},
        {"0-", "0", 0},
        {"2-", NULL, 0},
        {"+1-3", "1-3", 0},
        {" 1-3", "1-3", 0},
        {"1-3 ", NULL, 0},
        {"1-3%0", "1-3", 0},
        {"1-3%x", "1-3", 0},
        {"1-3%-1", "1-3", 0},
        {"1-3%9999999999", "1-3", GW_MAX_ARRAY},
        {"3-1", NULL, 0},
        {"1-3:0", NULL, 0},
        {"1-3:-1", NULL, 0},
        {"1-3:99999999999", "1", 0},
        {"1-3:2:2", NULL, 0},
        {"-1", NULL, 0},
        {"0x3", NULL, 0},
        {"=1-2", NULL, 0},
        {"1;2", NULL, 0},
        {",", NULL, 0},
        {"2147483647", "2147483647", 0},
        {"2147483648", NULL, 0},
        {"0-1000000", NULL, 0},
};

static void test_arrays(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(arrays); i++) {
                struct gw_error err = {0};
                struct gw_buf indices = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
                uint32_t most = 0;
                int rc = gw_directives_array(arrays[i].text, &indices, &most, &err);
                check_text(arrays[i].text, indices.data, arrays[i].indices);
                assert_int_equal(rc, arrays[i].indices ? 0 : -1);
                if (rc == 0)
                        assert_int_equal(most, arrays[i].max_parallel);
                else
                        assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
                gw_buf_done(&indices);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_takes_a_job_from_here_is_seen),
                cmocka_unit_test(test_scripts),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_whether_there_is_anything),
                cmocka_unit_test(test_other_lines_end_too),
                cmocka_unit_test(test_arrays),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
