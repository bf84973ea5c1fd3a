/* Lists of nodes: each name, in order, and what is no list. */
#include "backends/slurm/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"

static char names[512];
static const char *refused;

static bool note(void *arg, const char *name)
{
        (void)arg;
        strcat(strcat(names, name), " ");
        return !refused || strcmp(refused, name) != 0;
}

static bool walk(const char *list)
{
        names[0] = '\0';
        return gw_slurm_hosts_all(list, note, NULL);
}

static void every_name_is_asked_for(void **state)
{
        (void)state;
        static const struct {
                const char *list, *names;
        } cases[] = {
                {"n1", "n1 "},
                {"n1,m2", "n1 m2 "},
                {"n[1-3]", "n1 n2 n3 "},
                {"n[1,3]", "n1 n3 "},
                {"n[1-2,07-09],m", "n1 n2 n07 n08 n09 m "},
                {"n[098-101]", "n098 n099 n100 n101 "},
                {"gpu[1-2]-ib,x", "gpu1-ib gpu2-ib x "},
                {"[1-2]", "1 2 "},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                assert_true(walk(cases[i].list));
                assert_string_equal(names, cases[i].names);
        }
}

static void one_that_does_not_pass_ends_it(void **state)
{
        (void)state;
        refused = "n2";
        assert_false(walk("n[1-3],m"));
        assert_string_equal(names, "n1 n2 ");
        assert_false(walk("n2"));
        assert_true(walk("n[1,3]"));
        refused = NULL;
}

static bool count(void *arg, const char *name)
{
        (void)name;
        ++*(int *)arg;
        return true;
}

static void what_is_no_list_does_not_pass(void **state)
{
        (void)state;
        static const char *const lists[] = {
                "",      ",",      "n,",      "n[",       "n[1",
                "n[]",   "n[a]",   "n[1-]",   "n[2-1]",   "n[1,]",
                "n[-1]", "n[1;2]", "n[1]],,", "n[1-2-3]", "n[0-9999999999]"};
        int n = 0;
        for (size_t i = 0; i < GW_COUNT(lists); i++)
                if (walk(lists[i]))
                        fail_msg("%s is one", lists[i]);
        assert_true(gw_slurm_hosts_all("n[1-65536]", count, &n));
        assert_int_equal(n, 65536);
        assert_false(gw_slurm_hosts_all("n[1-65537]", count, &n));
        assert_false(gw_slurm_hosts_all("n[0-999999999]", count, &n));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_name_is_asked_for),
                cmocka_unit_test(one_that_does_not_pass_ends_it),
                cmocka_unit_test(what_is_no_list_does_not_pass),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
