/*
 * What records mean: those that real controllers showed (Slurm 22.05.8; where it says so 24.11),
 * one for each row of the table, and then every number there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backends/slurm/reason.h"
#include "backends/slurm/state.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* Members that are the same in all records of a kind. */
#define PLAIN "{\"job\": 87, \"uid\": 1001, \"submit\": 1700000000, \"eligible\": 1700000000, "
#define WAITS PLAIN "\"priority\": 4294901757, "
#define RAN                                                                                        \
        PLAIN "\"priority\": 4294901757, \"start\": 1700000001, \"end\": 1700000007, \"node\": \"n1\", "
#define NEVER_RAN PLAIN "\"start\": 1700000007, \"end\": 1700000007, "

static struct gw_slurm_meaning meaning_of(const char *text)
{
        struct gw_slurm_record record;
        struct gw_error err = {0};
        json_auto_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json || gw_slurm_record_read(json, &record, &err))
                fail_msg("%s: %s", text, err.message);
        return gw_slurm_meaning(&record);
}

/* ---- ends ------------------------------------------------------------------------------- */

struct end {
        const char *what, *record;
        enum gw_reason reason;
        int exit_code, signal;
        const char *words;
};

static const struct end ends[] = {
        {"exit 0", RAN "\"state\": 3}", GW_REASON_COMPLETED, 0, 0, ""},
        {"exit 3", RAN "\"state\": 5, \"reason\": 24, \"exit\": 768}", GW_REASON_EXIT_CODE, 3, 0,
         "NonZeroExitCode"},
        {"exit 143", RAN "\"state\": 5, \"reason\": 24, \"exit\": 36608}", GW_REASON_EXIT_CODE, 143,
         0, "NonZeroExitCode"},
        {"a child died of SIGSEGV", RAN "\"state\": 5, \"reason\": 24, \"exit\": 35584}",
         GW_REASON_EXIT_CODE, 139, 0, "NonZeroExitCode"},
        {"a step ended with 5, the script with 0", RAN "\"state\": 3, \"derived\": 1280}",
         GW_REASON_COMPLETED, 0, 0, "a step ended with exit code 5"},
        {"a step ended by SIGKILL, the script with 0", RAN "\"state\": 3, \"derived\": 9}",
         GW_REASON_COMPLETED, 0, 0, "a step ended by signal 9"},
        {"script killed by SIGSEGV", RAN "\"state\": 5, \"reason\": 23, \"exit\": 139}",
         GW_REASON_SIGNAL, -1, 11, "FAILED"},
        {"script killed by SIGKILL", RAN "\"state\": 5, \"reason\": 23, \"exit\": 9}",
         GW_REASON_SIGNAL, -1, 9, "FAILED"},
        {"script killed by SIGTERM", RAN "\"state\": 5, \"reason\": 23, \"exit\": 15}",
         GW_REASON_SIGNAL, -1, 15, "FAILED"},
        {"scancel -b -s USR1", RAN "\"state\": 5, \"reason\": 23, \"exit\": 10}", GW_REASON_SIGNAL,
         -1, 10, "FAILED"},
        {"scancel -b -s HUP", RAN "\"state\": 5, \"reason\": 23, \"exit\": 1}", GW_REASON_SIGNAL,
         -1, 1, "FAILED"},
        {"24.11: script killed by SIGKILL",
         RAN "\"state\": 5, \"reason\": 33, \"exit\": 9, \"desc\": \"RaisedSignal:9(Killed)\"}",
         GW_REASON_SIGNAL, -1, 9, "RaisedSignal:9(Killed)"},
        {"command not found", RAN "\"state\": 5, \"reason\": 24, \"exit\": 32512}",
         GW_REASON_EXIT_CODE, 127, 0, "NonZeroExitCode"},
        {"interpreter missing", RAN "\"state\": 5, \"reason\": 24, \"exit\": 512}",
         GW_REASON_EXIT_CODE, 2, 0, "NonZeroExitCode"},
        {"exit 16, whose status is 4096", RAN "\"state\": 5, \"reason\": 24, \"exit\": 4096}",
         GW_REASON_EXIT_CODE, 16, 0, "NonZeroExitCode"},
        {"exit 255", RAN "\"state\": 5, \"reason\": 24, \"exit\": 65280}", GW_REASON_EXIT_CODE, 255,
         0, "NonZeroExitCode"},
        {"no folder for the output", RAN "\"state\": 5, \"reason\": 23, \"exit\": 4021}",
         GW_REASON_LAUNCH_FAILED, -1, 0, "slurmd error 4021: the output file could not be opened"},
        {"24.11: the same",
         RAN "\"state\": 5, \"reason\": 33, \"exit\": 4021, \"desc\": \"RaisedSignal:53(Real-time "
             "signal 19)\"}",
         GW_REASON_LAUNCH_FAILED, -1, 0, "RaisedSignal:53(Real-time signal 19)"},
        {"another error of slurmd", RAN "\"state\": 5, \"reason\": 23, \"exit\": 4010}",
         GW_REASON_LAUNCH_FAILED, -1, 0, "slurmd error 4010"},
        {"time limit", RAN "\"state\": 6, \"reason\": 25, \"exit\": 15}", GW_REASON_TIME_LIMIT, -1,
         15, "TimeLimit"},
        {"time limit, trapped, exit 0", RAN "\"state\": 6, \"reason\": 25}", GW_REASON_TIME_LIMIT,
         0, 0, "TimeLimit"},
        {"time limit, trapped, exit 7", RAN "\"state\": 6, \"reason\": 25, \"exit\": 1792}",
         GW_REASON_TIME_LIMIT, 7, 0, "TimeLimit"},
        {"memory limit", RAN "\"state\": 11, \"reason\": 181, \"exit\": 253}",
         GW_REASON_OUT_OF_MEMORY, -1, 0, "OutOfMemory"},
        {"memory limit, no status yet", RAN "\"state\": 11, \"reason\": 181}",
         GW_REASON_OUT_OF_MEMORY, -1, 0, "OutOfMemory"},
        {"preempted, mode CANCEL", RAN "\"state\": 8, \"exit\": 15, \"preempt\": 1700000006}",
         GW_REASON_PREEMPTED, -1, 15, "PREEMPTED"},
        {"boot failure", RAN "\"state\": 9, \"reason\": 23, \"exit\": 1}", GW_REASON_NODE_FAILURE,
         -1, 0, "BOOT_FAIL"},
        {"node failure of a job that had no node", NEVER_RAN "\"state\": 7, \"exit\": 4294967294}",
         GW_REASON_NODE_FAILURE, -1, 0, ""},
        {"its node was set down, and slurmd ended it",
         RAN "\"state\": 7, \"reason\": 20, \"exit\": 15}", GW_REASON_NODE_FAILURE, -1, 0,
         "NodeDown"},
        {"deadline", NEVER_RAN "\"state\": 10, \"reason\": 167, \"exit\": 1}",
         GW_REASON_START_DEADLINE, -1, 0, "DeadLine"},
        {"script file lost", NEVER_RAN "\"state\": 5, \"reason\": 22, \"exit\": 1}",
         GW_REASON_BACKEND_ERROR, -1, 0, "SystemFailure"},
        {"a failure without an exit", RAN "\"state\": 5}", GW_REASON_BACKEND_ERROR, -1, 0,
         "state 5, exit 0"},
        {"a failure with an exit that is none", RAN "\"state\": 5, \"exit\": 4294967294}",
         GW_REASON_BACKEND_ERROR, -1, 0, "state 5, exit 4294967294"},
        {"a low exit that no signal gave", RAN "\"state\": 5, \"reason\": 75, \"exit\": 1}",
         GW_REASON_BACKEND_ERROR, -1, 0, "BurstBufferOperation"},
        {"completed, but exit 3", RAN "\"state\": 3, \"exit\": 768}", GW_REASON_EXIT_CODE, 3, 0,
         ""},
        {"completed, but signal 9", RAN "\"state\": 3, \"exit\": 9}", GW_REASON_SIGNAL, -1, 9, ""},
        {"completed, but no status", RAN "\"state\": 3, \"exit\": 4294967294}",
         GW_REASON_BACKEND_ERROR, -1, 0, "state 3, exit 4294967294"},
};

static void ends_as_seen(void **state)
{
        (void)state;
        for (size_t i = 0; i < GW_COUNT(ends); i++) {
                const struct end *e = &ends[i];
                struct gw_slurm_meaning m = meaning_of(e->record);
                if (m.phase != GW_PHASE_ENDED || m.reason != e->reason ||
                    m.exit_code != e->exit_code || m.signal != e->signal)
                        fail_msg("%s: phase %d, %s, exit %d, signal %d", e->what, (int)m.phase,
                                 gw_reason_name(m.reason), m.exit_code, m.signal);
                if (strcmp(m.words, e->words) != 0)
                        fail_msg("%s: \"%s\"", e->what, m.words);
                assert_false(m.refused || m.by_somebody || m.node_silent);
                assert_int_equal(m.before, GW_REASON_NONE);
        }
}

/* Who cancelled is not in the record, and some were cancelled by nobody. */
static void says_where_somebody_may_have_cancelled(void **state)
{
        (void)state;
        static const struct end cancelled[] = {
                {"while it ran", RAN "\"state\": 4, \"exit\": 15}", GW_REASON_CANCELLED_EXTERNALLY,
                 -1, 15, "CANCELLED"},
                {"while it waited", PLAIN "\"state\": 4, \"reason\": 1}",
                 GW_REASON_CANCELLED_EXTERNALLY, -1, 0, "CANCELLED"},
                {"while it was held", PLAIN "\"state\": 4, \"reason\": 16}",
                 GW_REASON_CANCELLED_EXTERNALLY, -1, 0, "CANCELLED"},
                {"just submitted", PLAIN "\"state\": 4}", GW_REASON_CANCELLED_EXTERNALLY, -1, 0,
                 "CANCELLED"},
                {"while it waited after a requeue that kept an exit",
                 PLAIN "\"state\": 4, \"reason\": 16, \"restart\": 1, \"exit\": 10752}",
                 GW_REASON_CANCELLED_EXTERNALLY, -1, 0, "CANCELLED"},
                {"a whole array that waited",
                 PLAIN "\"array\": 87, \"tasks\": \"0-8\", \"state\": 4, \"reason\": 1}",
                 GW_REASON_CANCELLED_EXTERNALLY, -1, 0, "CANCELLED"},
                {"kill-on-invalid-dep", PLAIN "\"state\": 4, \"reason\": 39}",
                 GW_REASON_DEPENDENCY_FAILED, -1, 0, "DependencyNeverSatisfied"},
                {"the prolog failed, requeue=0", RAN "\"state\": 4}", GW_REASON_BACKEND_ERROR, -1,
                 0, "CANCELLED"},
        };
        for (size_t i = 0; i < GW_COUNT(cancelled); i++) {
                const struct end *e = &cancelled[i];
                struct gw_slurm_meaning m = meaning_of(e->record);
                if (m.phase != GW_PHASE_ENDED || m.reason != e->reason ||
                    m.exit_code != e->exit_code || m.signal != e->signal || !m.by_somebody)
                        fail_msg("%s: phase %d, %s, exit %d, signal %d", e->what, (int)m.phase,
                                 gw_reason_name(m.reason), m.exit_code, m.signal);
                assert_string_equal(m.words, e->words);
        }
}

/* A submit that was answered with 2014, "Requested node configuration is not available". */
static void knows_a_refusal_that_left_a_record(void **state)
{
        (void)state;
        struct gw_slurm_meaning m =
                meaning_of(NEVER_RAN "\"state\": 5, \"reason\": 21, \"exit\": 1}");
        assert_int_equal(m.phase, GW_PHASE_ENDED);
        assert_int_equal(m.reason, GW_REASON_REJECTED);
        assert_int_equal(m.exit_code, -1);
        assert_int_equal(m.signal, 0);
        assert_true(m.refused);
        assert_string_equal(m.words, "BadConstraints");
        m = meaning_of(NEVER_RAN "\"state\": 5, \"reason\": 21, \"exit\": 1, \"restart\": 1}");
        assert_int_equal(m.reason, GW_REASON_REJECTED);
        assert_false(m.refused);
}

/* Slurmd was killed; its jobs ran on for 34 seconds after the controller had said this. */
static void does_not_end_with_its_node(void **state)
{
        (void)state;
        static const char *const records[] = {
                RAN "\"state\": 7, \"reason\": 20}",
                RAN "\"state\": 7, \"reason\": 20, \"exit\": 4294967294}",
                PLAIN "\"state\": 7, \"reason\": 20, \"exit\": 15, \"node\": \"n[1-2]\"}",
                PLAIN "\"state\": 7, \"reason\": 20, \"exit\": 15, \"node\": \"n1,m1\"}",
                /* Its node is what has not answered of two. */
                RAN "\"state\": 32775, \"reason\": 20}",
        };
        for (size_t i = 0; i < GW_COUNT(records); i++) {
                struct gw_slurm_meaning m = meaning_of(records[i]);
                assert_int_equal(m.phase, GW_PHASE_RUNNING);
                assert_int_equal(m.reason, GW_REASON_NODE_UNAVAILABLE);
                assert_int_equal(m.node_silent, i + 1 < GW_COUNT(records));
                assert_int_equal(m.exit_code, -1);
                assert_string_equal(m.words, "NodeDown");
        }
}

/* The outcome is there, the end is not: COMPLETING, and what goes back to the queue after it. */
static void has_not_ended_while_it_completes(void **state)
{
        (void)state;
        static const struct end ending[] = {
                {"completing", RAN "\"state\": 32771}", GW_REASON_COMPLETED, 0, 0, ""},
                {"completing, failed", RAN "\"state\": 32773, \"reason\": 24, \"exit\": 768}",
                 GW_REASON_EXIT_CODE, 3, 0, "NonZeroExitCode"},
                {"completing, cancelled", RAN "\"state\": 32772}", GW_REASON_BACKEND_ERROR, -1, 0,
                 "CANCELLED"},
                {"completing, time limit", RAN "\"state\": 32774, \"reason\": 25}",
                 GW_REASON_TIME_LIMIT, 0, 0, "TimeLimit"},
                {"to be requeued", RAN "\"state\": 33797, \"reason\": 24, \"exit\": 768}",
                 GW_REASON_EXIT_CODE, 3, 0, "NonZeroExitCode"},
                {"to be requeued, completed", RAN "\"state\": 1029, \"reason\": 24, \"exit\": 768}",
                 GW_REASON_EXIT_CODE, 3, 0, "NonZeroExitCode"},
                {"to be held", RAN "\"state\": 4101, \"reason\": 24, \"exit\": 768}",
                 GW_REASON_EXIT_CODE, 3, 0, "NonZeroExitCode"},
                {"files are copied out", RAN "\"state\": 8388611}", GW_REASON_COMPLETED, 0, 0, ""},
        };
        for (size_t i = 0; i < GW_COUNT(ending); i++) {
                const struct end *e = &ending[i];
                struct gw_slurm_meaning m = meaning_of(e->record);
                if (m.phase != GW_PHASE_ENDING || m.reason != e->reason ||
                    m.exit_code != e->exit_code || m.signal != e->signal)
                        fail_msg("%s: phase %d, %s, exit %d, signal %d", e->what, (int)m.phase,
                                 gw_reason_name(m.reason), m.exit_code, m.signal);
                assert_string_equal(m.words, e->words);
        }
}

/* ---- what goes on ----------------------------------------------------------------------- */

struct going {
        const char *what, *record;
        enum gw_phase phase;
        enum gw_reason reason, before;
        const char *words;
};

static void expect_going(const struct going *g)
{
        struct gw_slurm_meaning m = meaning_of(g->record);
        if (m.phase != g->phase || m.reason != g->reason || m.before != g->before)
                fail_msg("%s: phase %d, reason %d, before %d", g->what, (int)m.phase, (int)m.reason,
                         (int)m.before);
        if (strcmp(m.words, g->words) != 0)
                fail_msg("%s: \"%s\"", g->what, m.words);
        assert_int_equal(m.exit_code, -1);
        assert_int_equal(m.signal, 0);
        assert_false(m.refused || m.by_somebody || m.node_silent);
}

static void waits_as_seen(void **state)
{
        (void)state;
        static const struct {
                int number;
                enum gw_reason reason;
                const char *words;
        } waits[] = {
                {0, GW_REASON_NONE, ""},
                {1, GW_REASON_PRIORITY, "Priority"},
                {2, GW_REASON_DEPENDENCY, "Dependency"},
                {3, GW_REASON_RESOURCES, "Resources"},
                {4, GW_REASON_UNSCHEDULABLE, "PartitionNodeLimit"},
                {5, GW_REASON_UNSCHEDULABLE, "PartitionTimeLimit"},
                {6, GW_REASON_NODE_UNAVAILABLE, "PartitionDown"},
                {8, GW_REASON_HELD, "JobHeldAdmin"},
                {9, GW_REASON_NOT_BEFORE, "BeginTime"},
                {15, GW_REASON_NODE_UNAVAILABLE, "ReqNodeNotAvail"},
                {16, GW_REASON_HELD, "JobHeldUser"},
                {21, GW_REASON_UNSCHEDULABLE, "BadConstraints"},
                {39, GW_REASON_UNSCHEDULABLE, "DependencyNeverSatisfied"},
                {51, GW_REASON_UNSCHEDULABLE, "QOSMaxWallDurationPerJobLimit"},
                {53, GW_REASON_LIMIT, "QOSMaxJobsPerUserLimit"},
                {57, GW_REASON_LIMIT, "AssocGrpCpuLimit"},
                {66, GW_REASON_UNSCHEDULABLE, "AssocMaxCpuPerJobLimit"},
                {72, GW_REASON_LIMIT, "JobArrayTaskLimit"},
                {178, GW_REASON_UNSCHEDULABLE, "PartitionConfig"},
                {198, GW_REASON_HELD, "ReservationDeleted"},
                {200, GW_REASON_RESOURCES, "Constraints"},
                {221, GW_REASON_NONE, "reason 221"},
        };
        for (size_t i = 0; i < GW_COUNT(waits); i++) {
                struct gw_slurm_record r = {
                        .job = 87, .task = -1, .reason = (uint32_t)waits[i].number};
                struct gw_slurm_meaning m = gw_slurm_meaning(&r);
                if (m.phase != GW_PHASE_PENDING || m.reason != waits[i].reason ||
                    strcmp(m.words, waits[i].words) != 0)
                        fail_msg("%d: %d, \"%s\"", waits[i].number, (int)m.reason, m.words);
        }
}

static void tells_the_sentence_of_slurm(void **state)
{
        (void)state;
        static const struct going sentences[] = {
                {"nodes down",
                 WAITS "\"reason\": 3, \"desc\": \"Nodes required for job are DOWN, DRAINED or "
                       "reserved for jobs in higher priority partitions\"}",
                 GW_PHASE_PENDING, GW_REASON_RESOURCES, GW_REASON_NONE,
                 "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority "
                 "partitions"},
                {"unavailable nodes",
                 WAITS "\"reason\": 15, \"desc\": \"ReqNodeNotAvail, UnavailableNodes:n1\"}",
                 GW_PHASE_PENDING, GW_REASON_NODE_UNAVAILABLE, GW_REASON_NONE,
                 "ReqNodeNotAvail, UnavailableNodes:n1"},
                {"no sentence", WAITS "\"reason\": 3, \"desc\": \"\"}", GW_PHASE_PENDING,
                 GW_REASON_RESOURCES, GW_REASON_NONE, "Resources"},
        };
        for (size_t i = 0; i < GW_COUNT(sentences); i++)
                expect_going(&sentences[i]);
}

#define LONG_TEXT 600

static void cuts_a_long_sentence(void **state)
{
        (void)state;
        char desc[LONG_TEXT];
        memset(desc, 'n', sizeof desc - 1);
        desc[sizeof desc - 1] = '\0';
        struct gw_slurm_record r = {.job = 87, .task = -1, .reason = 15, .desc = desc};
        struct gw_slurm_meaning m = gw_slurm_meaning(&r);
        assert_int_equal(strlen(m.words), GW_SLURM_WORDS - 1);
        assert_memory_equal(m.words, desc, GW_SLURM_WORDS - 1);
}

static void runs_as_seen(void **state)
{
        (void)state;
        static const struct going running[] = {
                {"running", RAN "\"state\": 1}", GW_PHASE_RUNNING, GW_REASON_NONE, GW_REASON_NONE,
                 ""},
                {"steps were signalled", RAN "\"state\": 4194305}", GW_PHASE_RUNNING,
                 GW_REASON_NONE, GW_REASON_NONE, ""},
                {"configuring", RAN "\"state\": 16385}", GW_PHASE_PENDING, GW_REASON_RESOURCES,
                 GW_REASON_NONE, "Configuring"},
                {"stopped", RAN "\"state\": 65537}", GW_PHASE_RUNNING, GW_REASON_SUSPENDED,
                 GW_REASON_NONE, "Stopped"},
                {"suspended", RAN "\"state\": 2}", GW_PHASE_RUNNING, GW_REASON_SUSPENDED,
                 GW_REASON_NONE, "Suspended"},
        };
        for (size_t i = 0; i < GW_COUNT(running); i++)
                expect_going(&running[i]);
}

/* The controller shows a requeued job's new run, and never the end of the run before. */
static void tells_how_the_run_before_ended(void **state)
{
        (void)state;
        static const struct going requeued[] = {
                {"preempted, mode REQUEUE",
                 WAITS "\"state\": 32768, \"restart\": 1, \"preempt\": 1700000006}",
                 GW_PHASE_PENDING, GW_REASON_NONE, GW_REASON_PREEMPTED, ""},
                {"two seconds later", WAITS "\"restart\": 1, \"requeue\": 1}", GW_PHASE_PENDING,
                 GW_REASON_NONE, GW_REASON_NONE, ""},
                {"its wait", WAITS "\"reason\": 9, \"restart\": 1, \"requeue\": 1}",
                 GW_PHASE_PENDING, GW_REASON_RETRY_DELAY, GW_REASON_NONE, "BeginTime"},
                {"scontrol requeue", WAITS "\"state\": 32768, \"restart\": 1, \"requeue\": 1}",
                 GW_PHASE_PENDING, GW_REASON_NONE, GW_REASON_NONE, ""},
                {"a node that is dead but not yet down, requeue=0",
                 WAITS "\"state\": 32768, \"restart\": 1, \"node\": \"n1\"}", GW_PHASE_PENDING,
                 GW_REASON_NONE, GW_REASON_NODE_FAILURE, ""},
                {"requeuehold",
                 PLAIN "\"reason\": 16, \"restart\": 1, \"exit\": 10752, \"desc\": \"job requeued "
                       "in held state\"}",
                 GW_PHASE_PENDING, GW_REASON_HELD, GW_REASON_EXIT_CODE,
                 "job requeued in held state"},
                {"SpecialExit",
                 PLAIN "\"state\": 4096, \"reason\": 16, \"restart\": 1, \"exit\": 10752, "
                       "\"desc\": \"job requeued in special exit state\"}",
                 GW_PHASE_PENDING, GW_REASON_HELD, GW_REASON_EXIT_CODE,
                 "job requeued in special exit state"},
                {"the prolog failed, requeue=1",
                 PLAIN "\"reason\": 16, \"restart\": 1, \"desc\": \"launch failed requeued held\"}",
                 GW_PHASE_PENDING, GW_REASON_HELD, GW_REASON_NODE_FAILURE,
                 "launch failed requeued held"},
                {"again and again", PLAIN "\"reason\": 71, \"restart\": 6}", GW_PHASE_PENDING,
                 GW_REASON_HELD, GW_REASON_NODE_FAILURE, "JobHoldMaxRequeue"},
                {"the node went down", WAITS "\"reason\": 20, \"restart\": 1}", GW_PHASE_PENDING,
                 GW_REASON_NODE_UNAVAILABLE, GW_REASON_NODE_FAILURE, "NodeDown"},
                {"it runs again", RAN "\"state\": 1, \"restart\": 1, \"requeue\": 1}",
                 GW_PHASE_RUNNING, GW_REASON_NONE, GW_REASON_NONE, ""},
        };
        for (size_t i = 0; i < GW_COUNT(requeued); i++)
                expect_going(&requeued[i]);
}

/* ---- every number ----------------------------------------------------------------------- */

static const uint32_t flags[] = {0x400, 0x1000, 0x4000, 0x8000, 0x10000, 0x800000, 0x80000000};
static const uint32_t exits[] = {
        0,    1,    9,    15,    64,    65,    127,   128,        139,        192,
        193,  253,  255,  256,   257,   768,   3999,  4000,       4021,       4096,
        4224, 4999, 5000, 65280, 65281, 65536, 65792, 0x7fffffff, 0xfffffffe, 0xffffffff};
#define STATES 21
#define REASONS 231
#define NOT_FINAL (0x400 | 0x1000 | 0x8000 | 0x800000)

/* Of a job of one node. */
static bool slurmd_told(uint32_t exit)
{
        return exit && (exit & 0xff ? (exit & 0x7f) - 1 < 64 && exit < 256 : exit < 65536);
}

static bool is_waiting(enum gw_reason r)
{
        return r < GW_REASON_ENDING && r != GW_REASON_IMAGE_PULL;
}

static bool is_end(enum gw_reason r)
{
        return r >= GW_REASON_COMPLETED;
}

/* The reason fits the phase, and nothing has ended that may still run. */
static bool phase_holds(const struct gw_slurm_record *r, const struct gw_slurm_meaning *m)
{
        uint32_t base = r->state & 0xff;
        switch (m->phase) {
        case GW_PHASE_PENDING:
                return is_waiting(m->reason) && (base == 0 || (base == 1 && r->state & 0x4000));
        case GW_PHASE_RUNNING:
                if (base == 7)
                        return r->node && m->reason == GW_REASON_NODE_UNAVAILABLE &&
                               m->node_silent == !(r->state & 0x8000);
                return (base == 1 || base == 2) && !m->node_silent &&
                       (m->reason == GW_REASON_NONE || m->reason == GW_REASON_SUSPENDED);
        case GW_PHASE_ENDING:
                if (base == 7 && r->node && !slurmd_told(r->exit))
                        return false;
                return is_end(m->reason) && (base > 11 || (base > 2 && r->state & NOT_FINAL));
        case GW_PHASE_ENDED:
                return is_end(m->reason) && base > 2 && base <= 11 && !(r->state & NOT_FINAL) &&
                       (base != 7 || !r->node || slurmd_told(r->exit));
        }
        return false;
}

static bool outcome_holds(const struct gw_slurm_record *r, const struct gw_slurm_meaning *m)
{
        uint32_t base = r->state & 0xff;
        bool success = is_end(m->reason) && gw_reason_outcome(m->reason) == GW_SUCCEEDED;
        if (success != (base == 3 && r->exit == 0))
                return false;
        if (base > 11 && (m->reason != GW_REASON_BACKEND_ERROR || !m->words[0]))
                return false;
        if (m->reason == GW_REASON_EXIT_CODE && (m->exit_code < 1 || m->signal))
                return false;
        if (m->reason == GW_REASON_SIGNAL && m->signal < 1)
                return false;
        return m->exit_code >= -1 && m->exit_code <= 255 && m->signal >= 0 && m->signal <= 64 &&
               (m->exit_code < 0 || m->signal == 0);
}

static bool rest_holds(const struct gw_slurm_record *r, const struct gw_slurm_meaning *m)
{
        uint32_t base = r->state & 0xff;
        return (!m->refused || (m->reason == GW_REASON_REJECTED && r->restart == 0)) &&
               m->by_somebody == (base == 4) &&
               (m->before == GW_REASON_NONE ||
                (is_end(m->before) && r->restart > 0 && base <= 2)) &&
               memchr(m->words, '\0', sizeof m->words) && gw_str_utf8(m->words, strlen(m->words));
}

static void check(const struct gw_slurm_record *r)
{
        struct gw_slurm_meaning m = gw_slurm_meaning(r);
        if (!phase_holds(r, &m) || !outcome_holds(r, &m) || !rest_holds(r, &m))
                fail_msg("state %#x, reason %u, exit %u, node %d, restart %u: phase %d, reason "
                         "%d, exit %d, signal %d, \"%s\"",
                         r->state, r->reason, r->exit, r->node != NULL, r->restart, (int)m.phase,
                         (int)m.reason, m.exit_code, m.signal, m.words);
}

/* With and without a node, a first run and a second. */
static void check_exit(uint32_t state, uint32_t reason, uint32_t exit)
{
        struct gw_slurm_record r = {
                .job = 87, .task = -1, .state = state, .reason = reason, .exit = exit};
        check(&r);
        r.node = "n1";
        r.restart = 1;
        r.preempt_s = exit & 1;
        check(&r);
}

static uint32_t flags_of(uint32_t set)
{
        uint32_t all = 0;
        for (size_t i = 0; i < GW_COUNT(flags); i++)
                all |= set >> i & 1 ? flags[i] : 0;
        return all;
}

static void is_total_over_flags(void **state)
{
        (void)state;
        for (uint32_t base = 0; base < STATES; base++)
                for (uint32_t set = 0; set < 1u << GW_COUNT(flags); set++)
                        for (uint32_t reason = 0; reason < REASONS; reason++) {
                                check_exit(base | flags_of(set), reason, 0);
                                check_exit(base | flags_of(set), reason, 139);
                        }
}

static void is_total_over_exits(void **state)
{
        (void)state;
        for (uint32_t base = 0; base < STATES; base++)
                for (uint32_t reason = 0; reason < REASONS; reason++)
                        for (size_t i = 0; i < GW_COUNT(exits); i++)
                                check_exit(base, reason, exits[i]);
        check_exit(0xff, 0, 0);
        check_exit(0xffffffff, 0xffffffff, 0xffffffff);
}

/* Each number of a known version has a name, none is there twice but Slurm's own two. */
static void names_the_reasons(void **state)
{
        (void)state;
        for (uint32_t i = 0; i < REASONS; i++) {
                const char *name = gw_slurm_reason_name(i);
                bool known = i <= 220 && i != 34;
                if (known != (name != NULL))
                        fail_msg("%u: %s", i, name);
                assert_true(is_waiting(gw_slurm_reason_waiting(i)));
                for (uint32_t other = 0; name && other < i; other++) {
                        const char *its = gw_slurm_reason_name(other);
                        bool same = its && strcmp(name, its) == 0;
                        assert_int_equal(same,
                                         (other == 6 && i == 19) || (other == 115 && i == 165));
                }
        }
        assert_null(gw_slurm_reason_name(UINT32_MAX));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ends_as_seen),
                cmocka_unit_test(says_where_somebody_may_have_cancelled),
                cmocka_unit_test(knows_a_refusal_that_left_a_record),
                cmocka_unit_test(does_not_end_with_its_node),
                cmocka_unit_test(has_not_ended_while_it_completes),
                cmocka_unit_test(waits_as_seen),
                cmocka_unit_test(tells_the_sentence_of_slurm),
                cmocka_unit_test(cuts_a_long_sentence),
                cmocka_unit_test(runs_as_seen),
                cmocka_unit_test(tells_how_the_run_before_ended),
                cmocka_unit_test(is_total_over_flags),
                cmocka_unit_test(is_total_over_exits),
                cmocka_unit_test(names_the_reasons),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
