/* Every error code has a status, and its problem is whole. */
#include "routes/problem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/cleanup.h"

static json_t *problem_of(enum gw_error_code code, const char *detail,
                          const struct gw_faults *faults)
{
        struct gw_buf out = GW_BUF_INIT(65536);
        gw_problem_write(&out, code, detail, faults, "abc");
        json_t *problem = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(problem);
        gw_buf_done(&out);
        return problem;
}

static void test_every_code_has_a_status_and_its_name(void **state)
{
        (void)state;
        for (int code = GW_OK + 1; code < GW_ERR_COUNT; code++) {
                json_auto_t *p = problem_of((enum gw_error_code)code, "x", NULL);
                int64_t status = json_integer_value(json_object_get(p, "status"));
                assert_int_equal(status, gw_problem_status((enum gw_error_code)code));
                assert_in_range(status, 400, 599);
                assert_string_equal(json_string_value(json_object_get(p, "code")),
                                    gw_error_name((enum gw_error_code)code));
                assert_true(strlen(json_string_value(json_object_get(p, "title"))) > 0);
                assert_null(json_object_get(p, "errors"));
        }
}

static void test_the_statuses_clients_rely_on(void **state)
{
        (void)state;
        static const struct {
                enum gw_error_code code;
                unsigned status;
                bool retryable;
        } rows[] = {
                {GW_ERR_INVALID, 400, false},
                {GW_ERR_UNAUTHENTICATED, 401, false},
                {GW_ERR_FORBIDDEN, 403, false},
                {GW_ERR_NOT_FOUND, 404, false},
                {GW_ERR_NOT_YET, 404, true},
                {GW_ERR_METHOD, 405, false},
                {GW_ERR_REQUEST_TIMEOUT, 408, true},
                {GW_ERR_CONFLICT, 409, false},
                {GW_ERR_GONE, 410, false},
                {GW_ERR_TOO_LARGE, 413, false},
                {GW_ERR_URI_TOO_LONG, 414, false},
                {GW_ERR_UNSUPPORTED_MEDIA, 415, false},
                {GW_ERR_RANGE, 416, true},
                {GW_ERR_UNPROCESSABLE, 422, false},
                {GW_ERR_IDEMPOTENCY_MISMATCH, 422, false},
                {GW_ERR_HEADERS_TOO_LARGE, 431, false},
                {GW_ERR_TOO_MANY, 429, true},
                {GW_ERR_INTERNAL, 500, true},
                {GW_ERR_OVERLOADED, 503, true},
                {GW_ERR_UNAVAILABLE, 503, true},
                {GW_ERR_NOMEM, 503, true},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                json_auto_t *p = problem_of(rows[i].code, "x", NULL);
                assert_int_equal(gw_problem_status(rows[i].code), rows[i].status);
                assert_int_equal(json_is_true(json_object_get(p, "retryable")), rows[i].retryable);
        }
}

static void test_faults_become_errors(void **state)
{
        (void)state;
        struct gw_faults faults;
        gw_faults_init(&faults);
        gw_faults_add(&faults, GW_ERR_INVALID, "/a/b", "is \"bad\"");
        gw_faults_add(&faults, GW_ERR_INVALID, "?wait", "too long");
        json_auto_t *p = problem_of(GW_ERR_INVALID, "2 fields are wrong", &faults);
        json_t *errors = json_object_get(p, "errors");
        assert_int_equal(json_array_size(errors), 2);
        assert_string_equal(
                json_string_value(json_object_get(json_array_get(errors, 0), "pointer")), "/a/b");
        assert_string_equal(json_string_value(json_object_get(json_array_get(errors, 0), "detail")),
                            "is \"bad\"");
        assert_string_equal(json_string_value(json_object_get(p, "detail")), "2 fields are wrong");
        assert_string_equal(json_string_value(json_object_get(p, "type")), "about:blank");
        assert_string_equal(json_string_value(json_object_get(p, "request_id")), "abc");
}

/* The most that faults can hold still fits the answer's bound. */
static void test_the_largest_problem_fits(void **state)
{
        (void)state;
        struct gw_faults faults;
        char pointer[GW_ERROR_POINTER], detail[GW_ERROR_MESSAGE];
        memset(pointer, '"', sizeof pointer - 1);
        memset(detail, '\\', sizeof detail - 1);
        pointer[sizeof pointer - 1] = detail[sizeof detail - 1] = '\0';
        gw_faults_init(&faults);
        for (int i = 0; i < GW_MAX_FAULTS + 1; i++)
                gw_faults_add(&faults, GW_ERR_INVALID, pointer, "%s", detail);
        json_auto_t *p = problem_of(GW_ERR_INVALID, detail, &faults);
        assert_int_equal(json_array_size(json_object_get(p, "errors")), GW_MAX_FAULTS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_code_has_a_status_and_its_name),
                cmocka_unit_test(test_the_statuses_clients_rely_on),
                cmocka_unit_test(test_faults_become_errors),
                cmocka_unit_test(test_the_largest_problem_fits),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
