#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/http/router.h"

enum { ROOT, JOBS_GET, JOBS_POST, JOB, JOB_DELETE, CANCEL_MANY, CANCEL, TASK, HEALTH, DEEP };

static const struct gw_router_route routes[] = {
        [ROOT] = {"GET", "/"},
        [JOBS_GET] = {"GET", "/v1/jobs"},
        [JOBS_POST] = {"POST", "/v1/jobs"},
        [JOB] = {"GET", "/v1/jobs/{id}"},
        [JOB_DELETE] = {"DELETE", "/v1/jobs/{id}"},
        [CANCEL_MANY] = {"POST", "/v1/jobs/cancel"},
        [CANCEL] = {"POST", "/v1/jobs/{id}/cancel"},
        [TASK] = {"GET", "/v1/jobs/{id}/tasks/{index}"},
        [HEALTH] = {"GET", "/healthz"},
        [DEEP] = {"GET", "/{a}/{b}/{c}/{d}"},
};

struct result {
        int status;
        struct gw_router_match match;
        char allow[96];
        struct gw_error err;
        char scratch[GW_MAX_URI_BYTES];
};

static struct gw_router *router;

static int setup(void **state)
{
        (void)state;
        router = gw_router_new(routes, GW_COUNT(routes), NULL);
        return router ? 0 : -1;
}

static int teardown(void **state)
{
        (void)state;
        gw_router_free(router);
        return 0;
}

static void match(struct result *r, const char *method, const char *path)
{
        memset(r, 0, sizeof *r);
        r->status = gw_router_match(router, method, path, r->scratch, &r->match, r->allow, &r->err);
}

static void finds(void **state)
{
        static const struct {
                const char *method, *path;
                size_t route;
                const char *values[2];
        } cases[] = {
                {"GET", "/", ROOT, {0}},
                {"GET", "/healthz", HEALTH, {0}},
                {"HEAD", "/healthz", HEALTH, {0}},
                {"GET", "/v1/jobs", JOBS_GET, {0}},
                {"POST", "/v1/jobs", JOBS_POST, {0}},
                {"GET", "/v1/jobs/42", JOB, {"42"}},
                {"GET", "/v1/%6Aobs/42", JOB, {"42"}},
                {"GET", "/v1/jobs/a%2Fb%20c", JOB, {"a/b c"}},
                {"GET", "/v1/jobs/a+b", JOB, {"a+b"}},
                {"POST", "/v1/jobs/cancel", CANCEL_MANY, {0}},
                {"POST", "/v1/jobs/cancel/cancel", CANCEL, {"cancel"}},
                {"GET", "/v1/jobs/7/tasks/3", TASK, {"7", "3"}},
                {"GET", "/v1/jobs/cancel/tasks/0", TASK, {"cancel", "0"}},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct result r;
                match(&r, cases[i].method, cases[i].path);
                assert_int_equal(r.status, 0);
                assert_int_equal(r.match.route, cases[i].route);
                size_t count = 0;
                for (; count < 2 && cases[i].values[count]; count++)
                        assert_string_equal(r.match.values[count], cases[i].values[count]);
                assert_int_equal(r.match.count, count);
        }
}

static void four_parameters(void **state)
{
        (void)state;
        struct result r;
        match(&r, "GET", "/w/x/y/z");
        assert_int_equal(r.status, 0);
        assert_int_equal(r.match.route, DEEP);
        assert_int_equal(r.match.count, 4);
        assert_string_equal(r.match.values[3], "z");
}

static void finds_nothing(void **state)
{
        static const char *const paths[] = {
                "",          "v1/jobs",    "/v1",        "/v1/jobs/",
                "/v1//jobs", "/healthz/",  "/V1/jobs",   "/v1/jobs/1/tasks/2/no",
                "//",        "/v1/jobs//", "*",          "/a/b/c/",
                "/healthzz", "/health",    "/a/b/c/d/e", "/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h/i",
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(paths); i++) {
                struct result r;
                match(&r, "GET", paths[i]);
                assert_int_equal(r.status, -1);
                assert_int_equal(r.err.code, GW_ERR_NOT_FOUND);
        }
}

static void path_over_the_limit(void **state)
{
        (void)state;
        static char path[GW_MAX_URI_BYTES + 2];
        struct result r;
        memset(path, 'a', sizeof path - 1);
        memcpy(path, "/v1/jobs/", 9);
        match(&r, "GET", path);
        assert_int_equal(r.err.code, GW_ERR_NOT_FOUND);
        path[GW_MAX_URI_BYTES - 1] = '\0';
        match(&r, "GET", path);
        assert_int_equal(r.status, 0);
        assert_int_equal(strlen(r.match.values[0]), GW_MAX_URI_BYTES - 1 - 9);
}

static void unknown_method_lists_the_known(void **state)
{
        static const struct {
                const char *method, *path, *allow;
        } cases[] = {
                {"TRACE", "/healthz", "GET, HEAD"},     {"QUERY", "/v1/jobs", "GET, HEAD, POST"},
                {"get", "/v1/jobs", "GET, HEAD, POST"}, {"PUT", "/v1/jobs/1", "GET, HEAD, DELETE"},
                {"GET", "/v1/jobs/cancel", "POST"},     {"HEAD", "/v1/jobs/cancel", "POST"},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct result r;
                match(&r, cases[i].method, cases[i].path);
                assert_int_equal(r.status, -1);
                assert_int_equal(r.err.code, GW_ERR_METHOD);
                assert_string_equal(r.allow, cases[i].allow);
        }
}

static void malformed_escapes(void **state)
{
        static const char *const paths[] = {"/v1/jobs/%",   "/v1/jobs/%4",  "/v1/jobs/%zz",
                                            "/v1/jobs/%00", "/v1/jobs/%ff", "/%ed%a0%80"};
        (void)state;
        for (size_t i = 0; i < GW_COUNT(paths); i++) {
                struct result r;
                match(&r, "GET", paths[i]);
                assert_int_equal(r.status, -1);
                assert_int_equal(r.err.code, GW_ERR_INVALID);
        }
}

static void refuses_bad_tables(void **state)
{
        static const struct gw_router_route bad[][2] = {
                {{"GET", "/a"}, {"GET", "/a"}},
                {{"GET", "/a/{x}"}, {"GET", "/a/{y}"}},
                {{"GET", "/a"}, {"GET", "b"}},
                {{"GET", "/a"}, {"GET", "/b/"}},
                {{"GET", "/a"}, {"GET", "/{a}/{b}/{c}/{d}/{e}"}},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(bad); i++) {
                struct gw_error err = {0};
                assert_null(gw_router_new(bad[i], 2, &err));
                assert_int_equal(err.code, GW_ERR_INTERNAL);
        }
        gw_router_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds),
                cmocka_unit_test(four_parameters),
                cmocka_unit_test(finds_nothing),
                cmocka_unit_test(path_over_the_limit),
                cmocka_unit_test(unknown_method_lists_the_known),
                cmocka_unit_test(malformed_escapes),
                cmocka_unit_test(refuses_bad_tables),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
