/* Jobs that the controller's own test would let wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backends/slurm/check.h"

static const char offer_text[] =
        "{\"queues\": ["
        "{\"name\": \"main\", \"default\": true, \"state\": \"up\", \"max_time_limit\": 3600,"
        " \"allow\": {}, \"deny\": {}},"
        "{\"name\": \"low\", \"default\": false, \"state\": \"up\", \"allow\": {}, \"deny\": {}},"
        "{\"name\": \"away\", \"default\": false, \"state\": \"down\", \"allow\": {}, \"deny\": {}},"
        "{\"name\": \"few\", \"default\": false, \"state\": \"up\","
        " \"allow\": {\"accounts\": [\"a\", \"b\"], \"qos\": [\"high\", \"normal\"]}, \"deny\": {}},"
        "{\"name\": \"most\", \"default\": false, \"state\": \"up\", \"allow\": {},"
        " \"deny\": {\"accounts\": [\"a\"], \"qos\": [\"high\"]}}],"
        "\"users\": {"
        "\"ana\": [{\"account\": \"a\", \"default\": true, \"qos\": [\"normal\", \"high\"],"
        "          \"default_qos\": \"high\"},"
        "         {\"account\": \"c\", \"default\": false, \"qos\": [\"late\"]}],"
        "\"bo\": [{\"account\": \"b\", \"default\": true, \"qos\": [\"late\", \"high\"]}]}}";

static const struct {
        const char *user, *options, *pointer, *words; /* NULL: it may start */
} cases[] = {
        {"ana", "{}", NULL, NULL},
        {"ana", "{\"time\": \"0-01:00:00\"}", NULL, NULL},
        {"ana", "{\"time\": \"0-01:00:01\"}", "/time_limit", "the queue main allows 1h at most"},
        {"ana", "{\"time\": \"60\"}", NULL, NULL},
        {"ana", "{\"time\": \"61\"}", "/time_limit", "main"},
        {"ana", "{\"time\": \"unlimited\"}", "/time_limit", "main"},
        {"ana", "{\"time\": \"nonsense\"}", NULL, NULL},
        {"ana", "{\"time\": \"unlimited\", \"partition\": \"low\"}", NULL, NULL},
        {"ana", "{\"time\": \"unlimited\", \"partition\": \"main,low\"}", NULL, NULL},
        {"ana", "{\"time\": \"unlimited\", \"partition\": \"main,away\"}", "/time_limit", "main"},
        {"ana", "{\"partition\": \"away\"}", "/queue",
         "the queue away is down: it starts no jobs now"},
        {"ana", "{\"partition\": \"away,low\"}", NULL, NULL},
        {"ana", "{\"partition\": \"nowhere\"}", NULL, NULL},
        {"ana", "{\"partition\": \"\"}", NULL, NULL},
        {"ana", "{\"partition\": \"few\"}", NULL, NULL},
        {"ana", "{\"partition\": \"few\", \"account\": \"c\"}", "/queue",
         "the account c may not use the queue few"},
        {"ana", "{\"partition\": \"few\", \"account\": \"not-hers\"}", NULL, NULL},
        {"ana", "{\"partition\": \"most\"}", "/queue", "the account a may not use the queue most"},
        {"ana", "{\"partition\": \"most\", \"account\": \"c\"}", NULL, NULL},
        {"ana", "{\"partition\": \"most\", \"account\": \"c\", \"qos\": \"high\"}", "/queue",
         "the QOS high may not use the queue most"},
        {"ana", "{\"partition\": \"few\", \"qos\": \"late\"}", "/queue",
         "the QOS late may not use the queue few"},
        {"bo", "{\"partition\": \"few\"}", NULL, NULL}, /* normal, of several */
        {"bo", "{\"partition\": \"few\", \"qos\": \"late\"}", "/queue", "the QOS late"},
        {"stranger", "{\"partition\": \"few\"}", NULL, NULL},
};

static void what_may_start_and_what_not(void **state)
{
        (void)state;
        json_auto_t *offer = json_loads(offer_text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(offer);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                json_auto_t *options = json_loads(cases[i].options, 0, NULL);
                struct gw_error err = {0};
                int rc = gw_slurm_check(offer, cases[i].user, options, &err);
                if ((rc != 0) != (cases[i].pointer != NULL))
                        fail_msg("%s %s: %d %s", cases[i].user, cases[i].options, rc, err.message);
                if (rc == 0) {
                        assert_int_equal(err.code, GW_OK);
                        continue;
                }
                assert_int_equal(err.code, GW_ERR_UNPROCESSABLE);
                assert_string_equal(err.pointer, cases[i].pointer);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s is not %s", err.message, cases[i].words);
        }
}

static void what_is_not_known_passes(void **state)
{
        (void)state;
        json_auto_t *options = json_pack("{s:s, s:s}", "partition", "main", "time", "99-00:00:00");
        json_auto_t *empty = json_object();
        assert_int_equal(gw_slurm_check(NULL, "ana", options, NULL), 0);
        assert_int_equal(gw_slurm_check(empty, "ana", options, NULL), 0);
        assert_int_equal(gw_slurm_check(empty, "ana", empty, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_may_start_and_what_not),
                cmocka_unit_test(what_is_not_known_passes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
