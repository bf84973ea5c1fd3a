/* What the API server's errors mean. The bodies are a real server's. */
#include "backends/kubernetes/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/clock.h"

static struct gw_k8s_status read_text(int code, const char *text)
{
        struct gw_k8s_status status;
        json_auto_t *body = text ? json_loads(text, 0, NULL) : NULL;
        memset(&status, 0x55, sizeof status);
        gw_k8s_status_read(code, body, &status);
        return status;
}

#define FAILURE(reason)                                                                            \
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"" reason   \
        "\",\"message\":\"m\"}"

static void each_error_has_a_meaning(void **state)
{
        static const struct {
                int code;
                const char *body;
                enum gw_k8s_verdict verdict;
        } rows[] = {
                {200, "{}", GW_K8S_OK},
                {201, "{}", GW_K8S_OK},
                {202, FAILURE("AlreadyExists"), GW_K8S_OK},
                {302, NULL, GW_K8S_UNKNOWN},
                {400, FAILURE("BadRequest"), GW_K8S_REFUSED},
                {401, FAILURE("Unauthorized"), GW_K8S_UNAUTHENTICATED},
                {403, FAILURE("Forbidden"), GW_K8S_FORBIDDEN},
                {404, FAILURE("NotFound"), GW_K8S_ABSENT},
                {404, "\"404 page not found\"", GW_K8S_ABSENT},
                {405, FAILURE("MethodNotAllowed"), GW_K8S_REFUSED},
                {408, NULL, GW_K8S_UNKNOWN},
                {409, FAILURE("AlreadyExists"), GW_K8S_EXISTS},
                {409, FAILURE("Conflict"), GW_K8S_CONFLICT},
                {409, NULL, GW_K8S_CONFLICT},
                {410, FAILURE("Expired"), GW_K8S_EXPIRED},
                {410, FAILURE("Gone"), GW_K8S_EXPIRED},
                {413, FAILURE("RequestEntityTooLarge"), GW_K8S_REFUSED},
                {415, FAILURE("UnsupportedMediaType"), GW_K8S_REFUSED},
                {422, FAILURE("Invalid"), GW_K8S_REFUSED},
                {429, FAILURE("TooManyRequests"), GW_K8S_LATER},
                {429, NULL, GW_K8S_LATER},
                {500, FAILURE("InternalError"), GW_K8S_UNKNOWN},
                {500, FAILURE("ServerTimeout"), GW_K8S_UNKNOWN},
                {502, NULL, GW_K8S_UNKNOWN},
                {503, FAILURE("ServiceUnavailable"), GW_K8S_UNKNOWN},
                {504, FAILURE("Timeout"), GW_K8S_UNKNOWN},
        };
        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct gw_k8s_status status = read_text(rows[i].code, rows[i].body);
                assert_int_equal(status.verdict, rows[i].verdict);
                assert_int_equal(status.code, rows[i].code);
                assert_true(status.verdict == GW_K8S_OK || status.message[0]);
        }
}

static void causes_name_their_fields(void **state)
{
        struct gw_k8s_status status = read_text(
                422, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                     "\"Failure\",\"message\":\"Job.batch \\\"x\\\" is invalid\",\"reason\":"
                     "\"Invalid\",\"details\":{\"name\":\"x\",\"group\":\"batch\",\"kind\":\"Job\","
                     "\"causes\":[{\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: "
                     "-1: must be greater than or equal to 0\",\"field\":\"spec.backoffLimit\"},"
                     "{\"reason\":\"FieldValueRequired\",\"message\":\"Required value\","
                     "\"field\":\"spec.template.spec.restartPolicy\"}]},\"code\":422}");
        (void)state;
        assert_string_equal(status.reason, "Invalid");
        assert_string_equal(status.message, "Job.batch \"x\" is invalid");
        assert_int_equal(status.cause_count, 2);
        assert_string_equal(status.causes[0].field, "spec.backoffLimit");
        assert_string_equal(status.causes[0].reason, "FieldValueInvalid");
        assert_string_equal(status.causes[1].field, "spec.template.spec.restartPolicy");
}

static void causes_are_bounded(void **state)
{
        json_auto_t *body = json_pack("{s:s, s:{s:[]}}", "kind", "Status", "details", "causes");
        json_t *causes = json_object_get(json_object_get(body, "details"), "causes");
        struct gw_k8s_status status;
        (void)state;
        for (int i = 0; i <= GW_MAX_K8S_CAUSES; i++)
                json_array_append_new(causes, json_pack("{s:s}", "field", "spec"));
        gw_k8s_status_read(422, body, &status);
        assert_int_equal(status.cause_count, GW_MAX_K8S_CAUSES);
}

static void the_server_says_when_to_come_back(void **state)
{
        static const char busy[] = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":"
                                   "\"TooManyRequests\",\"details\":{\"retryAfterSeconds\":7}}";
        (void)state;
        assert_int_equal(read_text(429, busy).retry_after_us, 7 * GW_SECOND);
        assert_int_equal(read_text(429, NULL).retry_after_us, 0);
}

static void an_event_of_an_error_is_never_well(void **state)
{
        struct gw_k8s_status status;
        json_auto_t *expired =
                json_pack("{s:s, s:i, s:s, s:s}", "kind", "Status", "code", 410, "reason",
                          "Expired", "message", "too old resource version: 1 (9)");
        json_auto_t *nothing = json_object();
        json_auto_t *good = json_pack("{s:s, s:i}", "kind", "Status", "code", 200);
        (void)state;
        gw_k8s_status_of_event(expired, &status);
        assert_int_equal(status.verdict, GW_K8S_EXPIRED);
        assert_string_equal(status.message, "too old resource version: 1 (9)");
        gw_k8s_status_of_event(nothing, &status);
        assert_int_equal(status.verdict, GW_K8S_UNKNOWN);
        gw_k8s_status_of_event(good, &status);
        assert_int_equal(status.verdict, GW_K8S_UNKNOWN);
}

static void each_verdict_has_a_name(void **state)
{
        (void)state;
        for (int i = 0; i < GW_K8S_VERDICT_COUNT; i++)
                assert_non_null(gw_k8s_verdict_name((enum gw_k8s_verdict)i));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_error_has_a_meaning),
                cmocka_unit_test(causes_name_their_fields),
                cmocka_unit_test(causes_are_bounded),
                cmocka_unit_test(the_server_says_when_to_come_back),
                cmocka_unit_test(an_event_of_an_error_is_never_well),
                cmocka_unit_test(each_verdict_has_a_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
