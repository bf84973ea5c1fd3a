/* Records as slurmdbd 22.05 had them of jobs that ended in each way, read by the agent. */
#include "backends/slurm/accounted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/state.h"
#include "server/base/cleanup.h"

#define HEAD                                                                                       \
        "{\"job\": 7, \"uid\": 1001, \"submit\": 1795937956, \"eligible\": 1795937956, "           \
        "\"start\": 1795937958, \"end\": 1795937960, \"node\": \"trustlab1\", "
/* It never began. */
#define WAITED                                                                                     \
        "{\"job\": 7, \"uid\": 1001, \"submit\": 1795937956, \"eligible\": 1795937956, "           \
        "\"end\": 1795937960, "

static const struct {
        const char *text;
        enum gw_phase phase;
        enum gw_reason reason;
        int exit_code, signal;
        bool by_somebody;
} cases[] = {
        {HEAD "\"state\": 3}", GW_PHASE_ENDED, GW_REASON_COMPLETED, 0, 0, false},
        {HEAD "\"state\": 5, \"exit\": 768}", GW_PHASE_ENDED, GW_REASON_EXIT_CODE, 3, 0, false},
        /* sacct says 15:0 of it, as of an exit of 15. */
        {HEAD "\"state\": 5, \"exit\": 36608}", GW_PHASE_ENDED, GW_REASON_EXIT_CODE, 143, 0, false},
        {HEAD "\"state\": 5, \"exit\": 139}", GW_PHASE_ENDED, GW_REASON_SIGNAL, -1, 11, false},
        {HEAD "\"state\": 5, \"exit\": 9}", GW_PHASE_ENDED, GW_REASON_SIGNAL, -1, 9, false},
        {HEAD "\"state\": 5, \"exit\": 4021}", GW_PHASE_ENDED, GW_REASON_LAUNCH_FAILED, -1, 0,
         false},
        {WAITED "\"state\": 5, \"exit\": 1}", GW_PHASE_ENDED, GW_REASON_REJECTED, -1, 0, false},
        {HEAD "\"state\": 6}", GW_PHASE_ENDED, GW_REASON_TIME_LIMIT, 0, 0, false},
        {HEAD "\"state\": 11, \"exit\": 125}", GW_PHASE_ENDED, GW_REASON_OUT_OF_MEMORY, -1, 0,
         false},
        {HEAD "\"state\": 8, \"exit\": 15}", GW_PHASE_ENDED, GW_REASON_PREEMPTED, -1, 15, false},
        {HEAD "\"state\": 7}", GW_PHASE_RUNNING, GW_REASON_NODE_UNAVAILABLE, -1, 0, false},
        {HEAD "\"state\": 4, \"by\": 0}", GW_PHASE_ENDED, GW_REASON_BACKEND_ERROR, -1, 0, true},
        {WAITED "\"state\": 4, \"by\": 1001}", GW_PHASE_ENDED, GW_REASON_CANCELLED_EXTERNALLY, -1,
         0, true},
};

static bool read_text(const char *text, json_t **ret_json, struct gw_slurm_record *r)
{
        *ret_json = json_loads(text, 0, NULL);
        assert_int_equal(gw_slurm_record_read(*ret_json, r, NULL), 0);
        return gw_slurm_accounted(r);
}

static void an_end_means_what_it_means_to_the_controller(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_record r;
                json_auto_t *json = NULL;
                if (!read_text(cases[i].text, &json, &r))
                        fail_msg("%s is no end", cases[i].text);
                struct gw_slurm_meaning m = gw_slurm_meaning(&r);
                if (m.phase != cases[i].phase || m.reason != cases[i].reason ||
                    m.exit_code != cases[i].exit_code || m.signal != cases[i].signal ||
                    m.by_somebody != cases[i].by_somebody)
                        fail_msg("%s: phase %d, %s, exit %d, signal %d", cases[i].text, m.phase,
                                 gw_reason_name(m.reason), m.exit_code, m.signal);
        }
}

static void what_has_not_ended_there_says_nothing(void **state)
{
        (void)state;
        static const char *const texts[] = {
                HEAD "\"state\": 1}",
                WAITED "\"state\": 0}",
                /* Slurmdbd does not know yet whose it was. */
                "{\"job\": 10, \"state\": 3, \"submit\": 1795938522, \"node\": \"trustlab1\"}",
                /* What is left of an array. */
                "{\"job\": 7, \"array\": 7, \"uid\": 1001, \"state\": 4, \"by\": 0}",
        };
        for (size_t i = 0; i < GW_COUNT(texts); i++) {
                struct gw_slurm_record r;
                json_auto_t *json = NULL;
                if (read_text(texts[i], &json, &r))
                        fail_msg("%s was taken", texts[i]);
        }
}

#define RUN(job, state, submit)                                                                    \
        "{\"job\": " job ", \"uid\": 1001, \"state\": " state ", \"submit\": " submit "}"

/* REQUEUED (0x400), PREEMPTED and NODE_FAIL are what slurmdbd keeps of a run before a requeue. */
static void runs_are_counted(void **state)
{
        static const struct {
                uint32_t job;
                int64_t submit_s;
                uint32_t restart;
        } expected[] = {{6, 5, 0}, {7, 1, 0}, {7, 2, 1}, {7, 3, 2},
                        {7, 4, 3}, {8, 1, 0}, {8, 2, 0}, {9, 3, 0}};
        (void)state;
        struct gw_slurm_record *read;
        size_t count;
        json_auto_t *records = json_loads(
                "[" RUN("7", "3", "4") "," RUN("9", "3", "3") "," RUN("7", "8", "2") "," RUN(
                        "8", "3",
                        "2") "," RUN("7", "1024",
                                     "1") "," RUN("8", "3",
                                                  "1") "," RUN("6", "0",
                                                               "5") "," RUN("7", "7",
                                                                            "3") ", {\"job\": 0}]",
                0, NULL);
        assert_non_null(records);
        assert_int_equal(gw_slurm_accounted_read(records, &read, &count), 0);
        assert_int_equal(count, GW_COUNT(expected));
        for (size_t i = 0; i < count; i++)
                if (read[i].job != expected[i].job || read[i].submit_s != expected[i].submit_s ||
                    read[i].restart != expected[i].restart)
                        fail_msg("record %zu", i);
        free(read);
}

static void it_says_how_a_run_ended_that_another_followed(void **state)
{
        static const struct {
                const char *text;
                enum gw_reason reason;
        } runs[] = {
                {HEAD "\"state\": 1024}", GW_REASON_CANCELLED_EXTERNALLY}, /* scontrol requeue */
                {HEAD "\"state\": 8}", GW_REASON_PREEMPTED},
                {HEAD "\"state\": 7}", GW_REASON_NODE_FAILURE},
                {HEAD "\"state\": 3}", GW_REASON_NONE},
                {HEAD "\"state\": 1}", GW_REASON_NONE},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(runs); i++) {
                struct gw_slurm_record r;
                json_auto_t *json = NULL;
                (void)read_text(runs[i].text, &json, &r);
                assert_int_equal(gw_slurm_accounted_before(&r), runs[i].reason);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_says_how_a_run_ended_that_another_followed),
                cmocka_unit_test(an_end_means_what_it_means_to_the_controller),
                cmocka_unit_test(what_has_not_ended_there_says_nothing),
                cmocka_unit_test(runs_are_counted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
