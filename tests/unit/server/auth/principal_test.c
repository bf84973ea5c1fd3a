/* Principals: what they copy, how projects are found, and that they are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "server/auth/auth.h"
#include "server/base/cleanup.h"

static const struct gw_membership memberships[] = {
        {.project_id = 7, .project = "vision", .default_backend = "gpu", .role = GW_ROLE_MANAGER},
        {.project_id = 1, .project = "audio", .role = GW_ROLE_VIEWER},
        {.project_id = INT64_MAX, .project = "text", .role = GW_ROLE_SUBMITTER},
};

static void test_memberships_are_sorted_and_found(void **state)
{
        (void)state;
        struct gw_principal *p =
                gw_principal_new(3, 4, "ada", GW_SCOPE_JOBS_READ, 5, memberships, 3);
        assert_non_null(p);
        assert_string_equal(p->user, "ada");
        assert_true(p->user_id == 3 && p->token_id == 4 && p->expires_us == 5 && p->count == 3);
        assert_string_equal(p->project_list, "1,9223372036854775807,7");
        static const char *const order[] = {"audio", "text", "vision"};
        for (size_t i = 0; i < GW_COUNT(order); i++) {
                assert_string_equal(p->memberships[i].project, order[i]);
                assert_true(p->project_ids[i] == p->memberships[i].project_id);
                assert_ptr_equal(gw_principal_project(p, order[i]), &p->memberships[i]);
                assert_ptr_equal(gw_principal_project_id(p, p->project_ids[i]), &p->memberships[i]);
        }
        assert_null(gw_principal_project(p, "visio"));
        assert_null(gw_principal_project_id(p, 2));
        assert_string_equal(gw_principal_project(p, "vision")->default_backend, "gpu");
        gw_principal_unref(p);
}

static void test_without_memberships(void **state)
{
        (void)state;
        struct gw_principal *p = gw_principal_new(1, 2, "bob", 0, 0, NULL, 0);
        assert_non_null(p);
        assert_string_equal(p->project_list, "");
        assert_null(gw_principal_project(p, "main"));
        gw_principal_unref(p);
}

static void test_many_memberships(void **state)
{
        (void)state;
        enum { MANY = 3000 };
        struct gw_membership *m = calloc(MANY, sizeof *m);
        for (int i = 0; i < MANY; i++) {
                m[i].project_id = INT64_MIN + i;
                m[i].project[0] = 'p';
        }
        struct gw_principal *p = gw_principal_new(1, 2, "bob", 0, 0, m, MANY);
        assert_non_null(p);
        assert_int_equal(strlen(p->project_list), 21 * MANY - 1);
        gw_principal_unref(p);
        free(m);
}

static void test_references(void **state)
{
        (void)state;
        struct gw_principal *p = gw_principal_new(1, 2, "bob", 0, 0, memberships, 1);
        assert_ptr_equal(gw_principal_ref(p), p);
        gw_principal_unref(p);
        assert_string_equal(p->user, "bob");
        gw_principal_unref(p);
        gw_principal_unref(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_memberships_are_sorted_and_found),
                cmocka_unit_test(test_without_memberships),
                cmocka_unit_test(test_many_memberships),
                cmocka_unit_test(test_references),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
