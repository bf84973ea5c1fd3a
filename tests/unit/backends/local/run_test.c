/* What becomes of jobs: real jobs through the real shim. */
#include <grp.h>
#include <pwd.h>

#include "tests/unit/backends/local/rig.h"

static struct rig *rig;

static int set_up(void **state)
{
        (void)state;
        /* Groups that a job must not have. */
        if (geteuid() == 0)
                assert_int_equal(setgroups(2, (gid_t[]){0, 4}), 0);
        rig = rig_new(NULL);
        rig_lead(rig, NULL, 0);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        rig_free(rig);
        return 0;
}

static void assert_outcome(struct told t, enum gw_reason reason, int exit_code, int sig)
{
        if (t.reason != reason || t.exit_code != exit_code || t.signal != sig)
                fail_msg("ended as %s, exit code %d, signal %d: %s", gw_reason_name(t.reason),
                         t.exit_code, t.signal, t.raw);
        assert_true(t.ended_us > 0);
}

static void tells_how_it_ended(void **state)
{
        (void)state;
        static const struct {
                const char *spec;
                enum gw_reason reason;
                int exit_code, signal;
        } cases[] = {
                {"{\"command\": [\"true\"]}", GW_REASON_COMPLETED, 0, 0},
                {"{\"command\": [\"false\"]}", GW_REASON_EXIT_CODE, 1, 0},
                {"{\"command\": [\"sh\", \"-c\", \"exit 255\"]}", GW_REASON_EXIT_CODE, 255, 0},
                {"{\"command\": [\"sh\", \"-c\", \"kill -SEGV $$\"]}", GW_REASON_SIGNAL, -1,
                 SIGSEGV},
                {"{\"command\": [\"sh\", \"-c\", \"kill -KILL $$\"]}", GW_REASON_SIGNAL, -1,
                 SIGKILL},
                {"{\"script\": \"#!/bin/sh\\nexit 7\\n\"}", GW_REASON_EXIT_CODE, 7, 0},
                {"{\"script\": \"exit 8\\n\"}", GW_REASON_EXIT_CODE, 8, 0},
                {"{\"script\": \"#!/usr/bin/env bash\\n[[ a == a ]] && exit 9\\n\"}",
                 GW_REASON_EXIT_CODE, 9, 0},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct told t = rig_run(rig, cases[i].spec);
                assert_outcome(t, cases[i].reason, cases[i].exit_code, cases[i].signal);
                assert_true(t.started_us > 0 && t.started_us <= t.ended_us);
                assert_non_null(strstr(t.usage, "max_memory"));
                assert_true(t.node[0]);
        }
}

static void a_program_that_cannot_be_run_is_the_users_fault(void **state)
{
        (void)state;
        struct told t = rig_run(rig, "{\"command\": [\"no-such-program\", \"x\"]}");
        assert_outcome(t, GW_REASON_EXIT_CODE, 127, 0);
        assert_non_null(strstr(t.raw, "no-such-program"));

        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"/etc/passwd\"]}");
        t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_outcome(t, GW_REASON_EXIT_CODE, 126, 0);
        gw_autofree char *err = rig_output(rig, mark, "err");
        assert_non_null(strstr(err, "/etc/passwd"));

        t = rig_run(rig, "{\"command\": [\"true\"], \"working_directory\": \"/no/such\"}");
        assert_outcome(t, GW_REASON_EXIT_CODE, 126, 0);
        assert_non_null(strstr(t.raw, "/no/such"));

        /* As it is: the kernel looks for an interpreter whose name ends in a carriage return. */
        t = rig_run(rig, "{\"script\": \"#!/bin/sh\\r\\nexit 0\\r\\n\"}");
        assert_outcome(t, GW_REASON_EXIT_CODE, 127, 0);
        assert_non_null(strstr(t.raw, "carriage return"));
}

static void keeps_streams_apart(void **state)
{
        (void)state;
        struct gw_mark mark =
                rig_submit(rig, "{\"script\": \"#!/bin/sh\\necho one\\necho two >&2\\n"
                                "cat\\necho three >>/dev/stdout\\n"
                                "echo four >>/dev/stderr\\n\"}");
        assert_outcome(rig_wait_phase(rig, mark, GW_PHASE_ENDED), GW_REASON_COMPLETED, 0, 0);
        rig_assert_output(rig, mark, "out", "one\nthree\n");
        rig_assert_output(rig, mark, "err", "two\nfour\n");
}

static void passes_words_as_they_are(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"printf\", \"<%s>\", \"a b\", \"\", \"'\\\"$HOME`x`\\\\\", "
                     "\"\\n\\t\\u00e9\\u0001\", \"*\", \"-n\"]}");
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        rig_assert_output(rig, mark, "out", "<a b><><'\"$HOME`x`\\><\n\t\xc3\xa9\x01><*><-n>");

        /* The same through the shell of the setup lines. */
        mark = rig_submit(
                rig, "{\"setup\": [\"true\"], \"command\": [\"printf\", \"<%s>\", \"a b\", \"\", "
                     "\"'\\\"$HOME`x`\\\\\", \"\\n\\t\\u00e9\\u0001\", \"*\", \"-n\"]}");
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        rig_assert_output(rig, mark, "out", "<a b><><'\"$HOME`x`\\><\n\t\xc3\xa9\x01><*><-n>");
}

static void the_environment_is_exactly_this(void **state)
{
        (void)state;
        setenv("LEAKED", "from the gateway", 1);
        struct gw_mark mark = rig_mark();
        struct gw_submission s = rig_submission(
                mark,
                "{\"command\": [\"env\"], \"environment\": {\"A\": \"x=y z\", \"LANG\": \"C\"}}");
        s.attempt = 3;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);

        char expected[1024], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        struct passwd *pw = geteuid() == 0 ? getpwnam(JOB_USER) : getpwuid(geteuid());
        snprintf(expected, sizeof expected,
                 "PATH=/usr/local/bin:/usr/bin:/bin\nLANG=C\nHOME=%s\nUSER=%s\n"
                 "LOGNAME=%s\nSHELL=%s\nA=x=y z\nJOBGATE_JOB_ID=%s\n"
                 "JOBGATE_ATTEMPT=3\nJOBGATE_TASK_INDEX=0\n",
                 pw->pw_dir, pw->pw_name, pw->pw_name, pw->pw_shell, id);
        rig_assert_output(rig, mark, "out", expected);
}

static void is_never_root(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"sh\", \"-c\", \"id -u; id -g; id -G; pwd; umask; "
                     "touch here && stat -c %a . && grep NoNewPrivs /proc/self/status\"]}");
        assert_outcome(rig_wait_phase(rig, mark, GW_PHASE_ENDED), GW_REASON_COMPLETED, 0, 0);
        gw_autofree char *out = rig_output(rig, mark, "out");
        int uid = -1, gid = -1;
        assert_int_equal(sscanf(out, "%d\n%d\n", &uid, &gid), 2);
        assert_int_not_equal(uid, 0);
        assert_int_not_equal(gid, 0);
        char groups[512];
        assert_int_equal(sscanf(out, "%*d\n%*d\n%511[^\n]", groups), 1);
        for (char *save, *g = strtok_r(groups, " ", &save); g; g = strtok_r(NULL, " ", &save))
                assert_true(strcmp(g, "0") != 0 && strcmp(g, "4") != 0);
        assert_non_null(strstr(out, ".0.work\n0022\n700\nNoNewPrivs:\t1\n"));
}

static void runs_as_the_projects_user(void **state)
{
        (void)state;
        if (geteuid() != 0)
                skip();
        struct gw_mark mark = rig_mark();
        struct gw_submission s = rig_submission(mark, "{\"command\": [\"id\", \"-un\"]}");
        s.identity = "{\"user\": \"daemon\"}";
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        rig_assert_output(rig, mark, "out", "daemon\n");

        static const char *const bad[] = {"{\"user\": \"root\"}", "{\"user\": \"no-such-user\"}"};
        for (size_t i = 0; i < GW_COUNT(bad); i++) {
                s.mark = rig_mark();
                s.identity = bad[i];
                assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
                struct answered a = rig_wait_answer(rig, GW_REQUEST_SUBMIT, s.mark);
                assert_int_equal(a.answer, GW_ANSWER_REFUSED);
                assert_non_null(strstr(a.raw, "user"));
        }
}

static void setup_lines_share_the_shell(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig, "{\"setup\": [\"export A=1\", \"B=$A$A; export B\", \"cd /\", \"set -- q\"],"
                     " \"script\": \"#!/bin/sh\\necho $A $B $PWD $#\\n\"}");
        assert_outcome(rig_wait_phase(rig, mark, GW_PHASE_ENDED), GW_REASON_COMPLETED, 0, 0);
        rig_assert_output(rig, mark, "out", "1 11 / 0\n");
}

static void a_setup_line_that_fails_ends_it(void **state)
{
        (void)state;
        static const struct {
                const char *line;
                int exit_code;
        } cases[] = {
                {"(exit 5)", 5},
                {"exit 6", 6},
                {"no-such-command-here", 127},
                {"if then (", 2},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char spec[512];
                snprintf(spec, sizeof spec,
                         "{\"setup\": [\"echo first\", \"%s\", \"echo third\"], "
                         "\"command\": [\"echo\", \"job\"]}",
                         cases[i].line);
                struct gw_mark mark = rig_submit(rig, spec);
                struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
                assert_outcome(t, GW_REASON_EXIT_CODE, cases[i].exit_code, 0);
                assert_non_null(strstr(t.raw, "setup line 2"));
                assert_non_null(strstr(t.raw, cases[i].line));
                rig_assert_output(rig, mark, "out", "first\n");
        }
}

static void a_job_that_fails_after_setup_is_not_blamed_on_it(void **state)
{
        (void)state;
        struct told t = rig_run(rig, "{\"setup\": [\"true\"], \"command\": [\"false\"]}");
        assert_outcome(t, GW_REASON_EXIT_CODE, 1, 0);
        assert_string_equal(t.raw, "");
}

static void the_time_limit_ends_even_what_ignores_it(void **state)
{
        (void)state;
        struct gw_mark mark =
                rig_submit(rig, "{\"time_limit\": 1, \"command\": [\"sh\", \"-c\", "
                                "\"trap '' TERM; echo pid=$$; while :; do sleep 0.05; done\"]}");
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_outcome(t, GW_REASON_TIME_LIMIT, -1, SIGKILL);
        assert_non_null(strstr(t.raw, "time limit"));
        assert_true(t.ended_us - t.started_us >= 2 * GW_SECOND); /* limit and grace */
        assert_false(rig_alive(rig_output_number(rig, mark, "pid=")));
}

static void the_grace_is_for_all_of_the_job(void **state)
{
        (void)state;
        /* The shell goes at once; its child still saves something. */
        struct gw_mark mark = rig_submit(
                rig,
                "{\"time_limit\": 1, \"command\": [\"sh\", \"-c\", \""
                "sh -c 'trap \\\"sleep 0.3; echo saved; exit\\\" TERM; while :; do sleep 0.02; "
                "done' & wait\"]}");
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_TIME_LIMIT);
        rig_assert_output(rig, mark, "out", "saved\n");
}

static void what_is_left_behind_is_ended(void **state)
{
        (void)state;
        /* A daemon as it is in the book: own session, parent gone, signals ignored. */
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"sh\", \"-c\", \"setsid sh -c 'trap \\\"\\\" TERM HUP; (echo "
                     "daemon=$$; exec sleep 1000) & sleep 0.2' & sleep 0.5; echo done\"]}");
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_outcome(t, GW_REASON_COMPLETED, 0, 0);
        assert_false(rig_alive(rig_output_number(rig, mark, "daemon=")));
}

static void a_fork_bomb_is_ended(void **state)
{
        (void)state;
        struct told t = rig_run(
                rig, "{\"time_limit\": 1, \"command\": [\"sh\", \"-c\", \""
                     "f() { sleep 0.01; f & f2=$!; [ -e stop ] || (sleep 0.05; f) & wait; }; "
                     "for i in 1 2 3 4 5 6 7 8; do (while :; do sleep 0.01 & wait; done) & done; "
                     "wait\"]}");
        assert_int_equal(t.reason, GW_REASON_TIME_LIMIT);
}

static void memory_is_limited_for_all_processes_together(void **state)
{
        (void)state;
        struct told t = rig_run(
                rig, "{\"resources\": {\"memory\": \"100M\"}, \"command\": [\"python3\", \"-c\", "
                     "\"import os,time\\nfor i in range(3): os.fork()\\nb=bytearray(30<<20)\\n"
                     "for i in range(0, len(b), 4096): b[i]=1\\ntime.sleep(100)\"]}");
        assert_outcome(t, GW_REASON_OUT_OF_MEMORY, -1, SIGKILL);
        assert_non_null(strstr(t.raw, "limit is 100000000"));

        t = rig_run(rig,
                    "{\"resources\": {\"memory\": \"200M\"}, \"command\": [\"python3\", \"-c\", "
                    "\"import time\\nb=bytearray(30<<20)\\nfor i in range(0, len(b), 4096): "
                    "b[i]=1\\ntime.sleep(0.3)\"]}");
        assert_outcome(t, GW_REASON_COMPLETED, 0, 0);
}

static void shared_pages_count_once(void **state)
{
        (void)state;
        /* 60 MB of the parent seen by 7 more processes. */
        struct told t = rig_run(
                rig, "{\"resources\": {\"memory\": \"200M\"}, \"command\": [\"python3\", \"-c\", "
                     "\"import os,time\\nb=bytearray(60<<20)\\nfor i in range(0, len(b), 4096): "
                     "b[i]=1\\nfor i in range(3): os.fork()\\ntime.sleep(0.5)\"]}");
        assert_outcome(t, GW_REASON_COMPLETED, 0, 0);
}

static void cancels_what_runs(void **state)
{
        (void)state;
        struct gw_mark mark =
                rig_submit(rig, "{\"command\": [\"sh\", \"-c\", \"echo go; sleep 1000\"]}");
        rig_wait_output(rig, mark, "go");
        rig_wait_phase(rig, mark, GW_PHASE_RUNNING);
        assert_int_equal(rig_cancel(rig, mark), GW_ANSWER_DONE);
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_outcome(t, GW_REASON_CANCELLED_BY_USER, -1, SIGTERM);
        assert_non_null(strstr(t.raw, "as asked"));
        assert_int_equal(rig_cancel(rig, mark), GW_ANSWER_DONE); /* harmless */
        assert_int_equal(rig_cancel(rig, rig_mark()), GW_ANSWER_ABSENT);
}

static void a_job_that_ends_in_the_grace_is_cancelled(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig,
                "{\"command\": [\"sh\", \"-c\", \"trap 'exit 0' TERM; echo go; while :; do sleep "
                "0.02; done\"]}");
        rig_wait_output(rig, mark, "go");
        rig_cancel(rig, mark);
        assert_outcome(rig_wait_phase(rig, mark, GW_PHASE_ENDED), GW_REASON_CANCELLED_BY_USER, 0,
                       0);
}

static void a_job_that_ended_before_the_cancel_keeps_its_outcome(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"sh\", \"-c\", \"echo pid=$$; sleep 0.2; exit 5\"]}");
        rig_wait_output(rig, mark, "pid=");
        pid_t shim = (pid_t)rig_journal(rig, mark, "shim");
        kill(shim, SIGSTOP); /* it sees both at once */
        rig_wait_dead(rig_output_number(rig, mark, "pid="));
        rig_cancel(rig, mark);
        kill(shim, SIGCONT);
        assert_outcome(rig_wait_phase(rig, mark, GW_PHASE_ENDED), GW_REASON_EXIT_CODE, 5, 0);
}

static void a_cancel_right_after_the_start_is_not_lost(void **state)
{
        (void)state;
        for (int i = 0; i < 30; i++) {
                struct gw_mark mark = rig_mark();
                rig_submit_as(rig, mark, "{\"command\": [\"sleep\", \"1000\"]}");
                assert_int_equal(rig->b->type->cancel(rig->b, mark, NULL, 0), 0);
                struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
                assert_int_equal(t.reason, GW_REASON_CANCELLED_BY_USER);
        }
}

static void a_machine_that_goes_down_is_no_cancel(void **state)
{
        (void)state;
        struct gw_mark mark =
                rig_submit(rig, "{\"command\": [\"sh\", \"-c\", \"echo go; sleep 1000\"]}");
        rig_wait_output(rig, mark, "go");
        kill((pid_t)rig_journal(rig, mark, "shim"), SIGTERM);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason, GW_REASON_NODE_FAILURE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tells_how_it_ended),
                cmocka_unit_test(a_program_that_cannot_be_run_is_the_users_fault),
                cmocka_unit_test(keeps_streams_apart),
                cmocka_unit_test(passes_words_as_they_are),
                cmocka_unit_test(the_environment_is_exactly_this),
                cmocka_unit_test(is_never_root),
                cmocka_unit_test(runs_as_the_projects_user),
                cmocka_unit_test(setup_lines_share_the_shell),
                cmocka_unit_test(a_setup_line_that_fails_ends_it),
                cmocka_unit_test(a_job_that_fails_after_setup_is_not_blamed_on_it),
                cmocka_unit_test(the_time_limit_ends_even_what_ignores_it),
                cmocka_unit_test(the_grace_is_for_all_of_the_job),
                cmocka_unit_test(what_is_left_behind_is_ended),
                cmocka_unit_test(a_fork_bomb_is_ended),
                cmocka_unit_test(memory_is_limited_for_all_processes_together),
                cmocka_unit_test(shared_pages_count_once),
                cmocka_unit_test(cancels_what_runs),
                cmocka_unit_test(a_job_that_ends_in_the_grace_is_cancelled),
                cmocka_unit_test(a_job_that_ended_before_the_cancel_keeps_its_outcome),
                cmocka_unit_test(a_cancel_right_after_the_start_is_not_lost),
                cmocka_unit_test(a_machine_that_goes_down_is_no_cancel),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
