/* The policy, whole: every verb by scope, role and ownership; and the words it is written in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/auth/auth.h"
#include "server/base/cleanup.h"

#define READ GW_SCOPE_JOBS_READ
#define WRITE GW_SCOPE_JOBS_WRITE

/* What each role may do, one letter a verb: '-' nothing, 'o' one's own, 'a' any job. */
static const struct {
        enum gw_verb verb;
        unsigned scope;
        const char *may; /* viewer, submitter, manager */
} wanted[] = {
        {GW_VERB_READ, READ, "aaa"},     {GW_VERB_SUBMIT, WRITE, "-aa"},
        {GW_VERB_CHANGE, WRITE, "-oa"},  {GW_VERB_REMOVE, WRITE, "-oa"},
        {GW_VERB_CONFIRM, WRITE, "--a"},
};

static void check(size_t i, enum gw_role role, bool own, unsigned scopes)
{
        struct gw_membership m = {.project_id = 1, .project = "main", .role = role};
        struct gw_principal p = {.scopes = scopes};
        struct gw_error err = {0};
        char may = wanted[i].may[role];
        bool allowed = (scopes & wanted[i].scope) && (may == 'a' || (may == 'o' && own));
        int rc = gw_policy_check(&p, &m, wanted[i].verb, own, &err);
        if (rc != (allowed ? 0 : -1))
                fail_msg("verb %d role %d own %d scopes %u: %d", wanted[i].verb, role, own, scopes,
                         rc);
        assert_int_equal(err.code, allowed ? GW_OK : GW_ERR_FORBIDDEN);
        if (!allowed && (scopes & wanted[i].scope))
                assert_non_null(strstr(err.message, "main"));
        if (!(scopes & wanted[i].scope))
                assert_non_null(strstr(err.message, "scope"));
}

static void test_all_of_it(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(wanted); i++)
                for (int role = GW_ROLE_VIEWER; role <= GW_ROLE_MANAGER; role++)
                        for (unsigned scopes = 0; scopes <= (READ | WRITE); scopes++) {
                                check(i, (enum gw_role)role, false, scopes);
                                check(i, (enum gw_role)role, true, scopes);
                        }
}

static void test_who_is_no_member_learns_nothing(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(wanted); i++)
                for (unsigned scopes = 0; scopes <= (READ | WRITE); scopes++) {
                        struct gw_principal p = {.scopes = scopes};
                        struct gw_error err = {0};
                        assert_int_equal(gw_policy_check(&p, NULL, wanted[i].verb, true, &err), -1);
                        assert_int_equal(err.code, GW_ERR_NOT_FOUND);
                }
}

static void test_roles(void **state)
{
        (void)state;
        static const char *const names[] = {"viewer", "submitter", "manager"};
        enum gw_role role;
        for (size_t i = 0; i < GW_COUNT(names); i++) {
                assert_int_equal(gw_role_parse(names[i], &role), 0);
                assert_int_equal(role, i);
                assert_string_equal(gw_role_name(role), names[i]);
        }
        assert_int_equal(gw_role_parse("Viewer", &role), -1);
        assert_int_equal(gw_role_parse("", &role), -1);
}

static void test_scopes(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int bits; /* -1: refused */
        } cases[] = {
                {"", 0},
                {"jobs:read", READ},
                {"jobs:write", WRITE},
                {"jobs:read,jobs:write", READ | WRITE},
                {"jobs:write,jobs:read,jobs:read", READ | WRITE},
                {"jobs", -1},
                {"jobs:reads", -1},
                {"jobs:read jobs:write", -1},
                {"jobs:read,", -1},
                {",jobs:read", -1},
                {"jobs:read,,jobs:write", -1},
                {"admin", -1},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                unsigned bits = 99;
                struct gw_error err = {0};
                int rc = gw_scopes_parse(cases[i].text, &bits, &err);
                if (rc != (cases[i].bits < 0 ? -1 : 0))
                        fail_msg("\"%s\": %d", cases[i].text, rc);
                assert_int_equal(bits, cases[i].bits < 0 ? 99 : cases[i].bits);
                assert_int_equal(err.code, rc ? GW_ERR_INVALID : GW_OK);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_of_it),
                cmocka_unit_test(test_who_is_no_member_learns_nothing),
                cmocka_unit_test(test_roles),
                cmocka_unit_test(test_scopes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
