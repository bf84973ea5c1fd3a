/* What sbatch says, as it was seen, and what that means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backends/slurm/raw.h"
#include "server/base/cleanup.h"

#define FAILED "sbatch: error: Batch job submission failed: "

static struct gw_slurm_sbatch_answer answer_of(int status, const char *out, const char *errors)
{
        struct gw_slurm_sbatch_answer a;
        json_auto_t *answer =
                json_pack("{s:i, s:s, s:s}", "status", status, "stdout", out, "stderr", errors);
        gw_slurm_sbatch_read(GW_AS_USER_DONE, answer, NULL, &a);
        return a;
}

static void numbers_are_read(void **state)
{
        (void)state;
        struct gw_slurm_sbatch_answer a = answer_of(0, "87\n", "");
        assert_int_equal(a.verdict, GW_SBATCH_DONE);
        assert_int_equal(a.number, 87);
        assert_string_equal(a.cluster, "");
        a = answer_of(0, "a plugin's line\n4294967295;blue\n", "sbatch: a word\n");
        assert_int_equal(a.verdict, GW_SBATCH_DONE);
        assert_int_equal(a.number, 4294967295U);
        assert_string_equal(a.cluster, "blue");
        assert_string_equal(a.words, "a word");
}

static void ends_are_told_apart(void **state)
{
        static const struct {
                int status;
                const char *out, *errors;
                enum gw_slurm_sbatch_verdict verdict;
                bool may_be_refusal;
        } cases[] = {
                {255 << 8, "", "sbatch: unrecognized option '--bogus=1'\n", GW_SBATCH_REFUSED,
                 false},
                {1 << 8, "", "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n",
                 GW_SBATCH_REFUSED, false},
                {1 << 8, "", FAILED "Invalid partition name specified\n", GW_SBATCH_REFUSED, false},
                {1 << 8, "", FAILED "Invalid partition name specified, or not\n", GW_SBATCH_UNKNOWN,
                 true},
                {1 << 8, "", "sbatch: error: no GPUs on Mondays\n" FAILED "Unspecified error\n",
                 GW_SBATCH_UNKNOWN, true},
                {1 << 8, "", FAILED "Socket timed out on send/recv operation\n", GW_SBATCH_UNKNOWN,
                 false},
                {1 << 8, "",
                 "sbatch: error: slurm_msg_sendto: address:port=10.0.0.1:6817 msg_type=4003: "
                 "Unexpected missing socket error\n" FAILED "Unexpected missing socket error\n",
                 GW_SBATCH_UNKNOWN, false},
                {1 << 8, "", FAILED "Unable to contact slurm controller (receive failure)\n",
                 GW_SBATCH_UNKNOWN, false},
                {1 << 8, "", FAILED "Unable to contact slurm controller (connect failure)\n",
                 GW_SBATCH_NOT_SENT, false},
                {1 << 8, "", "sbatch: fatal: Unable to process configuration file\n",
                 GW_SBATCH_NOT_SENT, false},
                {9, "", "", GW_SBATCH_UNKNOWN, false},
                {0, "", "sbatch: Job 9 to start at 2026-11-29T08:00:00\n", GW_SBATCH_REFUSED,
                 false},
                {0, "0\n", "", GW_SBATCH_REFUSED, false},
                {0, "4294967296\n", "", GW_SBATCH_REFUSED, false},
                {1 << 8, "87\n", "sbatch: error: what now\n", GW_SBATCH_DONE, false},
                {3 << 8, "87\n", "", GW_SBATCH_DONE, false},
                {255 << 8, "87\n", "", GW_SBATCH_DONE, false},
                {1 << 8, "",
                 "sbatch: fatal: --gpus-per-task is mutually exclusive with --ntasks-per-gpu\n",
                 GW_SBATCH_REFUSED, false},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_sbatch_answer a =
                        answer_of(cases[i].status, cases[i].out, cases[i].errors);
                assert_int_equal(a.verdict, cases[i].verdict);
                assert_int_equal(a.may_be_refusal, cases[i].may_be_refusal);
                assert_true(a.verdict != GW_SBATCH_REFUSED || a.words[0]);
        }
}

static void what_did_not_run_is_not_unknown(void **state)
{
        (void)state;
        struct gw_slurm_sbatch_answer a;
        for (int i = GW_AS_USER_INVALID; i <= GW_AS_USER_FAILED; i++) {
                gw_slurm_sbatch_read((enum gw_as_user_outcome)i, NULL, "words", &a);
                assert_int_equal(a.verdict == GW_SBATCH_UNKNOWN, i == GW_AS_USER_LATE);
                assert_string_equal(a.words, "words");
        }
        gw_slurm_sbatch_read(GW_AS_USER_DONE, NULL, NULL, &a);
        assert_int_equal(a.verdict, GW_SBATCH_UNKNOWN);
}

/* Killed at its deadline, sbatch may have been told a number before; half a number is none. */
static void a_number_said_in_time_counts(void **state)
{
        static const struct {
                const char *out;
                enum gw_slurm_sbatch_verdict verdict;
                uint32_t number;
        } cases[] = {
                {"87\n", GW_SBATCH_DONE, 87},
                {"87\n4", GW_SBATCH_DONE, 87},
                {"87;blue\n", GW_SBATCH_DONE, 87},
                {"87", GW_SBATCH_UNKNOWN, 0},
                {"a word\n87;bl", GW_SBATCH_UNKNOWN, 0},
                {"", GW_SBATCH_UNKNOWN, 0},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_sbatch_answer a;
                json_auto_t *answer = json_pack("{s:s, s:s}", "stdout", cases[i].out, "stderr", "");
                gw_slurm_sbatch_read(GW_AS_USER_LATE, answer, "late", &a);
                assert_int_equal(a.verdict, cases[i].verdict);
                assert_int_equal(a.number, cases[i].number);
                assert_string_equal(a.words, a.verdict == GW_SBATCH_DONE ? "" : "late");
        }
}

/* A full controller lets sbatch try again until its time is over. */
static void what_it_waited_for_is_said(void **state)
{
        (void)state;
        struct gw_slurm_sbatch_answer a;
        json_auto_t *answer = json_pack(
                "{s:s, s:s}", "stdout", "", "stderr",
                "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n");
        gw_slurm_sbatch_read(GW_AS_USER_LATE, answer, "late", &a);
        assert_int_equal(a.verdict, GW_SBATCH_UNKNOWN);
        assert_string_equal(a.words,
                            "Slurm temporarily unable to accept job, sleeping and retrying");
}

static void a_full_controller_took_nothing(void **state)
{
        static const struct {
                const char *errors, *words;
                enum gw_slurm_sbatch_verdict verdict;
        } cases[] = {
                {"sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n",
                 "Slurm temporarily unable to accept job, sleeping and retrying", GW_SBATCH_FULL},
                {"sbatch: Job creation temporarily disabled, retrying\n",
                 "Job creation temporarily disabled, retrying", GW_SBATCH_NOT_SENT},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_sbatch_answer a;
                json_auto_t *answer =
                        json_pack("{s:s, s:s}", "stdout", "", "stderr", cases[i].errors);
                gw_slurm_sbatch_read(GW_AS_USER_FULL, answer, "full", &a);
                assert_int_equal(a.verdict, cases[i].verdict);
                assert_string_equal(a.words, cases[i].words);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_read),
                cmocka_unit_test(ends_are_told_apart),
                cmocka_unit_test(what_did_not_run_is_not_unknown),
                cmocka_unit_test(a_number_said_in_time_counts),
                cmocka_unit_test(what_it_waited_for_is_said),
                cmocka_unit_test(a_full_controller_took_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
