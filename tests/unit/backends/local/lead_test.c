/* Leadership: taking over what runs, what ended meanwhile and what waits; one writer at a time;
 * shims that are killed; nothing runs twice. */
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/backends/local/rig.h"

static struct rig *rig;

static int set_up(void **state)
{
        (void)state;
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

/* As a new process would come back: close, open, lead with these. */
static void restart(const struct gw_submission *live, size_t count)
{
        rig_close(rig);
        rig_open(rig);
        rig_lead(rig, live, count);
}

static struct gw_submission live(struct gw_mark mark)
{
        struct gw_submission s = rig_submission(mark, "{}");
        s.accepted = true;
        return s;
}

static bool live_has(struct gw_mark mark, const char *suffix)
{
        char path[256], text[GW_MARK_TEXT];
        gw_mark_format(mark, text);
        snprintf(path, sizeof path, GW_LOCAL_LIVE "/%s.%s", text, suffix);
        gw_autofree char *content = rig_read(rig, path);
        return content != NULL;
}

static void what_runs_is_taken_over(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"sh\", \"-c\", \"echo go; while [ ! -e end ]; do sleep 0.02; "
                     "done; exit 3\"]}");
        rig_wait_output(rig, mark, "go");
        struct told before = rig_wait_phase(rig, mark, GW_PHASE_RUNNING);
        struct gw_submission s = live(mark);
        restart(&s, 1);
        struct told after = rig_wait_phase(rig, mark, GW_PHASE_RUNNING);
        assert_int_equal(after.started_us, before.started_us);
        assert_int_equal(after.reason, GW_REASON_NONE);

        char path[512], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/1.0.work/end", rig->directory, id);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        struct told end = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(end.exit_code, 3);
        assert_int_equal(end.started_us, before.started_us);
}

static void what_was_taken_over_can_be_cancelled(void **state)
{
        (void)state;
        struct gw_mark mark =
                rig_submit(rig, "{\"command\": [\"sh\", \"-c\", \"echo go; sleep 1000\"]}");
        rig_wait_output(rig, mark, "go");
        struct gw_submission s = live(mark);
        restart(&s, 1);
        rig_wait_phase(rig, mark, GW_PHASE_RUNNING);
        assert_int_equal(rig_cancel(rig, mark), GW_ANSWER_DONE);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason,
                         GW_REASON_CANCELLED_BY_USER);

        /* Or at once, when that was asked for before. */
        mark = rig_submit(rig, "{\"command\": [\"sh\", \"-c\", \"echo go; sleep 1000\"]}");
        rig_wait_output(rig, mark, "go");
        s = live(mark);
        s.cancelling = true;
        restart(&s, 1);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason,
                         GW_REASON_CANCELLED_BY_USER);
}

static void what_ended_meanwhile_is_told(void **state)
{
        (void)state;
        struct gw_mark mark =
                rig_submit(rig, "{\"command\": [\"sh\", \"-c\", \"echo go; sleep 0.3; exit 4\"]}");
        rig_wait_output(rig, mark, "go");
        pid_t shim = (pid_t)rig_journal(rig, mark, "shim");
        rig_close(rig);
        rig_wait_dead(shim);
        rig_open(rig);
        struct gw_submission s = live(mark);
        rig_lead(rig, &s, 1);
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_EXIT_CODE);
        assert_int_equal(t.exit_code, 4);
}

static void what_waits_keeps_its_place(void **state)
{
        (void)state;
        const char *all = "{\"resources\": {\"cpus\": 4}, \"command\": [\"sh\", \"-c\", \"echo "
                          "go; while [ ! -e end ]; do sleep 0.02; done\"]}";
        struct gw_mark blocker = rig_submit(rig, all);
        rig_wait_output(rig, blocker, "go");
        struct gw_submission lives[6] = {live(blocker)};
        struct gw_mark marks[5];
        for (int i = 0; i < 5; i++) {
                marks[i] =
                        rig_submit(rig, "{\"resources\": {\"cpus\": 4}, \"command\": [\"true\"]}");
                lives[5 - i] = live(marks[i]); /* whatever the order they are named in */
        }
        restart(lives, 6);
        for (int i = 0; i < 5; i++)
                rig_wait_phase(rig, marks[i], GW_PHASE_PENDING);
        char path[512], id[GW_ID_TEXT];
        gw_id_format(blocker.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/1.0.work/end", rig->directory, id);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        int64_t last = 0;
        for (int i = 0; i < 5; i++) {
                struct told t = rig_wait_phase(rig, marks[i], GW_PHASE_ENDED);
                assert_int_equal(t.reason, GW_REASON_COMPLETED);
                assert_true(t.started_us > last);
                last = t.started_us;
        }
}

static void closed_ones_are_removed(void **state)
{
        (void)state;
        struct gw_mark running = rig_submit(
                rig, "{\"resources\": {\"cpus\": 4}, \"command\": [\"sh\", \"-c\", \"echo "
                     "pid=$$; exec sleep 1000\"]}");
        rig_wait_output(rig, running, "pid=");
        pid_t pid = rig_output_number(rig, running, "pid=");
        struct gw_mark waiting = rig_submit(rig, "{\"command\": [\"touch\", \"/tmp/never\"]}");
        char foreign[256];
        snprintf(foreign, sizeof foreign, "%s/live/README", rig->directory);
        close(open(foreign, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));

        restart(NULL, 0);
        rig_wait_dead(pid);
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while (live_has(running, "task") && gw_clock_mono_us() < until)
                rig_pause();
        assert_false(live_has(running, "task"));
        assert_false(live_has(running, "cancel"));
        assert_false(live_has(waiting, "task"));
        assert_int_equal(access(foreign, F_OK), 0);
        assert_int_equal(rig->told_count, 0);
}

static void resolve_is_final(void **state)
{
        (void)state;
        struct gw_mark mark = rig_mark();
        struct gw_submission s = rig_submission(mark, "{\"command\": [\"true\"]}");
        assert_int_equal(rig->b->type->resolve(rig->b, &s), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_RESOLVE, mark).answer, GW_ANSWER_ABSENT);
        rig_submit_as(rig, mark, s.spec);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_SUBMIT, mark).answer, GW_ANSWER_DONE);
        assert_int_equal(rig->b->type->resolve(rig->b, &s), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_RESOLVE, mark).answer, GW_ANSWER_DONE);
}

static void a_half_made_task_is_not_believed(void **state)
{
        (void)state;
        struct gw_mark mark = rig_mark();
        char path[512], text[GW_MARK_TEXT];
        gw_mark_format(mark, text);
        snprintf(path, sizeof path, "%s/live/%s.new", rig->directory, text);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        struct gw_submission s = live(mark);
        s.accepted = false;
        restart(&s, 1);
        assert_int_equal(rig->b->type->resolve(rig->b, &s), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_RESOLVE, mark).answer, GW_ANSWER_ABSENT);
        assert_int_not_equal(access(path, F_OK), 0);
}

static bool is_unreachable(struct rig *r, void *arg)
{
        (void)arg;
        return r->offer[0] && !r->reachable;
}

static void two_gateways_have_one_leader(void **state)
{
        (void)state;
        struct rig *other = rig_new(NULL);
        rig_close(other);
        json_object_set(other->settings, "directory", json_object_get(rig->settings, "directory"));
        rig_open(other);
        other->epoch = 1;
        other->b->type->lead(other->b, 1, NULL, 0, NULL);
        rig_wait(other, is_unreachable, NULL, "the other to be told that it must wait");
        struct gw_mark mark = rig_mark();
        rig_submit_as(other, mark, "{\"command\": [\"true\"]}");
        assert_int_equal(rig_wait_answer(other, GW_REQUEST_SUBMIT, mark).answer, GW_ANSWER_BUSY);

        rig->b->type->yield(rig->b);
        rig_wait(other, rig_is_synced, NULL, "the other to lead");
        assert_true(other->reachable);
        assert_int_equal(rig_run(other, "{\"command\": [\"true\"]}").reason, GW_REASON_COMPLETED);
        rig_free(other);
        rig_lead(rig, NULL, 0);
}

static void nothing_of_an_old_epoch_is_done(void **state)
{
        (void)state;
        struct gw_mark mark = rig_mark();
        rig->b->type->yield(rig->b);
        rig_submit_as(rig, mark, "{\"command\": [\"true\"]}");
        rig_lead(rig, NULL, 0);
        struct gw_submission s = rig_submission(mark, "{}");
        assert_int_equal(rig->b->type->resolve(rig->b, &s), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_RESOLVE, mark).answer, GW_ANSWER_ABSENT);
}

static void a_killed_shim_is_no_failed_job(void **state)
{
        (void)state;
        /* One child keeps the group and the files, one changes its session and its files, one
         * has an empty environment. */
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"sh\", \"-c\", \"echo main=$$; sleep 1000 & echo a=$!; "
                     "setsid sleep 1001 >/dev/null 2>&1 & echo b=$!; "
                     "setsid env -i /bin/sleep 1002 & echo c=$!; echo go; wait\"]}");
        rig_wait_output(rig, mark, "go");
        pid_t pids[4] = {rig_output_number(rig, mark, "main="), rig_output_number(rig, mark, "a="),
                         rig_output_number(rig, mark, "b="), rig_output_number(rig, mark, "c=")};
        for (int i = 0; i < 4; i++)
                assert_true(rig_alive(pids[i]));
        kill((pid_t)rig_journal(rig, mark, "shim"), SIGKILL);
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        for (int i = 0; i < 4; i++)
                if (rig_alive(pids[i]))
                        fail_msg("process %d of the job lives on", i);
        assert_int_equal(t.reason, GW_REASON_NODE_FAILURE);
        assert_int_equal(t.exit_code, -1);
        assert_non_null(strstr(t.raw, "supervisor was killed"));
}

static void a_shim_killed_while_nobody_looks(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"sh\", \"-c\", \"echo main=$$; exec sleep 1000\"]}");
        rig_wait_output(rig, mark, "main=");
        pid_t shim = (pid_t)rig_journal(rig, mark, "shim");
        rig_close(rig);
        kill(shim, SIGKILL);
        rig_wait_dead(shim);
        rig_open(rig);
        struct gw_submission s = live(mark);
        rig_lead(rig, &s, 1);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason, GW_REASON_NODE_FAILURE);
        assert_false(rig_alive(rig_output_number(rig, mark, "main=")));
}

/* The spool was last led under another boot id. */
static void pretend_restart(void)
{
        char path[512];
        snprintf(path, sizeof path, "%s/boot", rig->directory);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs("11111111-2222-3333-4444-555555555555", f);
        fclose(f);
}

static void a_restart_of_the_machine_is_noticed(void **state)
{
        (void)state;
        struct gw_mark ran =
                rig_submit(rig, "{\"command\": [\"sh\", \"-c\", \"echo go; exec sleep 1000\"]}");
        rig_wait_output(rig, ran, "go");
        pid_t shim = (pid_t)rig_journal(rig, ran, "shim");
        rig_close(rig);
        kill(shim, SIGKILL);
        rig_wait_dead(shim);

        /* As if both had been written before: another boot id, in the journal and in the spool. */
        char path[512], *task;
        off_t journal = rig_read_task(rig, ran, &task);
        free(task);
        rig_task_path(rig, ran, path);
        assert_int_equal(truncate(path, journal), 0);
        FILE *f = fopen(path, "ae");
        assert_non_null(f);
        fprintf(f, GW_LOCAL_STARTED_FORMAT, 0U, 0U, 1000000LL,
                "11111111-2222-3333-4444-555555555555", 1LL, 1LL, "-");
        fclose(f);
        pretend_restart();

        struct gw_submission lives[3] = {live(ran), live(rig_mark()), live(rig_mark())};
        lives[2].accepted = false;
        rig_open(rig);
        rig_lead(rig, lives, 3);
        struct told t = rig_wait_phase(rig, ran, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_NODE_FAILURE);
        assert_non_null(strstr(t.raw, "restarted"));
        t = rig_wait_phase(rig, lives[1].mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_NODE_FAILURE);
        assert_false(rig_last_told(rig, lives[2].mark, &t));

        /* Once: the boot is noted now, and what is missing now is just missing. */
        rig_lead(rig, lives, 3);
        assert_false(rig_last_told(rig, lives[1].mark, &t));
}

static struct gw_mark submit_held(void)
{
        struct gw_submission s = rig_submission(rig_mark(), "{\"command\": [\"true\"]}");
        s.held = true;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_SUBMIT, s.mark).answer, GW_ANSWER_DONE);
        return s.mark;
}

/* The journal does not have its start, as after a power cut. */
static void what_was_told_to_run_is_not_run_after_a_restart(void **state)
{
        (void)state;
        struct gw_submission told = live(submit_held()), other = live(submit_held());
        told.begun = told.spans;
        told.begun_count = 1;
        rig_close(rig);
        pretend_restart();
        rig_open(rig);
        rig_lead(rig, (struct gw_submission[]){told, other}, 2);
        struct told t = rig_wait_phase(rig, told.mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_NODE_FAILURE);
        assert_int_equal(t.exit_code, -1);
        assert_int_equal(rig_wait_phase(rig, other.mark, GW_PHASE_ENDED).reason,
                         GW_REASON_COMPLETED);

        /* A leader that never heard of it leaves it so. */
        told.begun_count = 0;
        rig_lead(rig, &told, 1);
        assert_int_equal(rig_wait_phase(rig, told.mark, GW_PHASE_ENDED).reason,
                         GW_REASON_NODE_FAILURE);
}

/* The journal is believed: it had told of a start that failed. */
static void what_was_told_to_run_may_wait_again(void **state)
{
        (void)state;
        struct gw_submission told = live(submit_held());
        told.begun = told.spans;
        told.begun_count = 1;
        rig_lead(rig, &told, 1);
        assert_int_equal(rig_wait_phase(rig, told.mark, GW_PHASE_ENDED).reason,
                         GW_REASON_COMPLETED);
}

/* Bytes of a record that name its run. */
#define NAMED (off_t)(strlen("\nrun=\n") + GW_LOCAL_SPAN_LENGTH)

static int start_shim(const char *mark)
{
        const char *path = json_string_value(json_object_get(rig->settings, "shim"));
        char *argv[] = {(char *)(uintptr_t)path, rig->directory,
                        (char *)(uintptr_t)mark, (char[]){"0"},
                        (char[]){"0"},           (char[]){"1000000"},
                        (char[]){"-"},           (char[]){"0"},
                        (char[]){"1"},           NULL};
        char *env[] = {NULL};
        pid_t pid;
        int status;
        assert_int_equal(posix_spawn(&pid, path, NULL, NULL, argv, env), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void nothing_runs_twice(void **state)
{
        (void)state;
        char mark_text[GW_MARK_TEXT];
        struct gw_mark mark = rig_submit(
                rig,
                "{\"command\": [\"sh\", \"-c\", \"echo once; while [ ! -e end ]; do sleep 0.02; "
                "done\"]}");
        rig_submit_as(rig, mark, "{\"command\": [\"echo\", \"twice\"]}");
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_SUBMIT, mark).answer, GW_ANSWER_DONE);
        rig_wait_output(rig, mark, "once");
        gw_mark_format(mark, mark_text);
        assert_int_equal(start_shim(mark_text), GW_LOCAL_SHIM_TAKEN);

        char path[512], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/1.0.work/end", rig->directory, id);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(start_shim(mark_text), GW_LOCAL_SHIM_DONE);
        rig_assert_output(rig, mark, "out", "once\n");

        /* And not when the first shim was killed, nor when its first words were cut. */
        mark = rig_submit(rig, "{\"command\": [\"sh\", \"-c\", \"echo once; exec sleep 1000\"]}");
        rig_wait_output(rig, mark, "once");
        kill((pid_t)rig_journal(rig, mark, "shim"), SIGKILL);
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        gw_mark_format(mark, mark_text);
        char *task;
        off_t journal = rig_read_task(rig, mark, &task);
        free(task);
        rig_task_path(rig, mark, path);
        assert_int_equal(truncate(path, journal + NAMED), 0);
        assert_int_equal(start_shim(mark_text), GW_LOCAL_SHIM_DONE);
        rig_assert_output(rig, mark, "out", "once\n");
        assert_int_equal(rig_journal(rig, mark, "exit_code"), -1);
}

/* A process that keeps SIGUSR1 pending. */
static pid_t start_bystander(void)
{
        pid_t pid = fork();
        if (pid == 0) {
                sigset_t set;
                sigemptyset(&set);
                sigaddset(&set, SIGUSR1);
                sigprocmask(SIG_BLOCK, &set, NULL);
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                pause();
                _exit(0);
        }
        return pid;
}

static bool has_pending_signal(pid_t pid)
{
        char path[64], line[256];
        unsigned long long set = 0, own;
        snprintf(path, sizeof path, "/proc/%d/status", pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        while (fgets(line, sizeof line, f))
                if (sscanf(line, "SigPnd: %llx", &own) == 1 ||
                    sscanf(line, "ShdPnd: %llx", &own) == 1)
                        set |= own;
        fclose(f);
        return set != 0;
}

static void read_boot(char out[GW_LOCAL_BOOT_ID])
{
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, out, GW_LOCAL_BOOT_ID - 1);
        close(fd);
        assert_true(n > 0);
        out[n] = '\0';
        out[strcspn(out, "\n")] = '\0';
}

static void the_pid_of_a_dead_shim_is_not_taken_for_it(void **state)
{
        (void)state;
        struct gw_mark mark = rig_mark();
        struct gw_submission s = rig_submission(mark, "{\"command\": [\"echo\", \"ran\"]}");
        s.held = true;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        rig_wait_answer(rig, GW_REQUEST_SUBMIT, mark);
        rig_close(rig);

        /* It began under a shim whose pid another process has now, and a second shim, which has
         * not said who it is yet, holds the run. */
        char path[512], boot[GW_LOCAL_BOOT_ID];
        pid_t bystander = start_bystander();
        read_boot(boot);
        rig_task_path(rig, mark, path);
        FILE *f = fopen(path, "ae");
        assert_non_null(f);
        fprintf(f, GW_LOCAL_STARTED_FORMAT, 0U, 0U, 1000000LL, boot, (long long)bystander, 1LL,
                "-");
        fclose(f);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = gw_local_run_lock(F_WRLCK, 0, 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        rig_open(rig);
        rig_lead(rig, &s, 1);
        rig_wait_phase(rig, mark, GW_PHASE_RUNNING);
        assert_int_equal(rig_cancel(rig, mark), GW_ANSWER_DONE);
        assert_false(has_pending_signal(bystander));

        /* Nor is its end waited for; the next that takes the run over says who it is. */
        close(fd);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason, GW_REASON_NODE_FAILURE);
        assert_true(rig_journal(rig, mark, "shim") > 0);
        assert_int_not_equal(rig_journal(rig, mark, "shim"), bystander);
        kill(bystander, SIGKILL);
        assert_int_equal(waitpid(bystander, NULL, 0), bystander);
        gw_autofree char *out = rig_output(rig, mark, "out");
        assert_null(out);
}

static void a_run_whose_gateway_died_before_the_shim_began_is_started(void **state)
{
        (void)state;
        struct gw_mark blocker = rig_submit(
                rig, "{\"resources\": {\"cpus\": 4}, \"command\": [\"sleep\", \"1000\"]}");
        rig_wait_phase(rig, blocker, GW_PHASE_RUNNING);
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"echo\", \"once\"]}");
        rig_close(rig);
        /* It is held, as by a gateway that is about to start the shim, and then let go. */
        char path[512];
        rig_task_path(rig, mark, path);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = gw_local_run_lock(F_WRLCK, 0, 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        rig_open(rig);
        struct gw_submission lives[2] = {live(mark), live(blocker)};
        rig_lead(rig, lives, 2);
        rig_wait_phase(rig, mark, GW_PHASE_RUNNING);
        close(fd);
        rig_cancel(rig, blocker);
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_COMPLETED);
        rig_assert_output(rig, mark, "out", "once\n");
}

static void a_wish_to_stop_outlives_the_gateway_that_took_it(void **state)
{
        (void)state;
        struct gw_mark blocker = rig_submit(
                rig, "{\"resources\": {\"cpus\": 4}, \"command\": [\"sleep\", \"1000\"]}");
        rig_wait_phase(rig, blocker, GW_PHASE_RUNNING);
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"echo\", \"ran\"]}");
        rig_close(rig);
        /* Killed between the wish and the signal. */
        char path[512];
        rig_task_path(rig, mark, path);
        strcpy(strrchr(path, '.'), ".cancel");
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        dprintf(fd, GW_LOCAL_SPAN_FORMAT "\n", 0U, 0U);
        close(fd);
        rig_open(rig);
        struct gw_submission lives[2] = {live(mark), live(blocker)};
        rig_lead(rig, lives, 2);
        rig_cancel(rig, blocker);
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_CANCELLED_BY_USER);
        gw_autofree char *out = rig_output(rig, mark, "out");
        assert_null(out);
}

static void hide_task(struct gw_mark mark, bool hide)
{
        char path[512], kept[520];
        rig_task_path(rig, mark, path);
        snprintf(kept, sizeof kept, "%s.kept", path);
        if (hide) {
                /* No link is followed, so the name is there and cannot be opened. */
                assert_int_equal(rename(path, kept), 0);
                assert_int_equal(symlink(kept, path), 0);
        } else {
                assert_int_equal(rename(kept, path), 0);
        }
}

static void a_task_that_cannot_be_read_is_not_lost(void **state)
{
        (void)state;
        struct told t;
        struct gw_mark running = rig_submit(
                rig,
                "{\"resources\": {\"cpus\": 4}, \"command\": [\"sh\", \"-c\", \"echo go; while [ "
                "! -e end ]; do sleep 0.02; done; exit 3\"]}");
        rig_wait_output(rig, running, "go");
        struct gw_mark waiting = rig_submit(rig, "{\"command\": [\"echo\", \"ran\"]}");
        struct gw_mark gone = rig_submit(rig, "{\"command\": [\"true\"]}");
        struct gw_mark other = rig_submit(rig, "{\"command\": [\"true\"]}");
        rig_close(rig);
        hide_task(running, true);
        hide_task(waiting, true);
        char path[512], id[GW_ID_TEXT];
        rig_task_path(rig, gone, path);
        assert_int_equal(truncate(path, 0), 0);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = gw_local_run_lock(F_WRLCK, 0, 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);

        /* The rest goes on, but nobody is told that this was all. */
        rig_open(rig);
        rig->epoch++;
        rig->synced = 0;
        rig->told_count = 0;
        struct gw_submission lives[4] = {live(running), live(waiting), live(gone), live(other)};
        rig->b->type->lead(rig->b, rig->epoch, lives, 4, NULL);
        assert_int_equal(rig_wait_phase(rig, other, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        assert_int_equal(rig_cancel(rig, waiting), GW_ANSWER_BUSY);
        assert_false(rig_last_told(rig, running, &t));
        assert_false(rig_last_told(rig, waiting, &t));
        assert_false(rig_last_told(rig, gone, &t));
        assert_int_equal(rig->synced, 0);

        /* What can be read later is as it was; what is surely gone is told so. */
        hide_task(running, false);
        rig_wait_phase(rig, running, GW_PHASE_RUNNING);
        assert_int_equal(rig->synced, 0);
        hide_task(waiting, false);
        close(fd);
        assert_int_equal(rig_wait_phase(rig, gone, GW_PHASE_ENDED).reason, GW_REASON_NODE_FAILURE);
        rig_wait(rig, rig_is_synced, NULL, "synced");
        gw_id_format(running.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/1.0.work/end", rig->directory, id);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(rig_wait_phase(rig, running, GW_PHASE_ENDED).exit_code, 3);
        assert_int_equal(rig_wait_phase(rig, waiting, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        rig_assert_output(rig, waiting, "out", "ran\n");
}

/* The wish is tried again, also when nobody is left to ask for it. */
static void a_stop_that_could_not_be_written_is_written_later(void **state)
{
        (void)state;
        struct gw_mark marks[2];
        pid_t pids[2];
        char path[2][512];
        for (int i = 0; i < 2; i++) {
                marks[i] = rig_submit(
                        rig, "{\"command\": [\"sh\", \"-c\", \"echo pid=$$; exec sleep 1000\"]}");
                rig_wait_output(rig, marks[i], "pid=");
                pids[i] = rig_output_number(rig, marks[i], "pid=");
                rig_task_path(rig, marks[i], path[i]);
                strcpy(strrchr(path[i], '.'), ".cancel");
                assert_int_equal(mkdir(path[i], 0700), 0);
        }
        assert_int_equal(rig_cancel(rig, marks[0]), GW_ANSWER_BUSY);
        assert_int_equal(rig->b->type->forget(rig->b, marks[0]), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_FORGET, marks[0]).answer, GW_ANSWER_DONE);
        assert_true(rig_alive(pids[0]));
        assert_int_equal(rmdir(path[0]), 0);
        rig_wait_dead(pids[0]);

        /* Nor whom a leader was told of at the beginning, one that runs and has nothing left that
         * waits. */
        struct gw_submission s = live(marks[1]);
        s.cancelling = true;
        restart(&s, 1);
        rig_wait_phase(rig, marks[1], GW_PHASE_RUNNING);
        assert_true(rig_alive(pids[1]));
        assert_int_equal(rmdir(path[1]), 0);
        assert_int_equal(rig_wait_phase(rig, marks[1], GW_PHASE_ENDED).reason,
                         GW_REASON_CANCELLED_BY_USER);
}

/* Holds a run as a gateway does that is about to start its shim; to be closed. */
static int hold_run(struct gw_mark mark)
{
        char path[512];
        rig_task_path(rig, mark, path);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = gw_local_run_lock(F_WRLCK, 0, 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        return fd;
}

static bool is_held(struct rig *r, void *arg)
{
        struct told t;
        return rig_last_told(r, *(struct gw_mark *)arg, &t) && t.phase == GW_PHASE_PENDING &&
               t.reason == GW_REASON_HELD;
}

static void what_turns_out_not_to_have_begun_is_cancelled_or_held(void **state)
{
        (void)state;
        struct gw_mark blocker = rig_submit(
                rig, "{\"resources\": {\"cpus\": 4}, \"command\": [\"sleep\", \"1000\"]}");
        rig_wait_phase(rig, blocker, GW_PHASE_RUNNING);
        struct gw_mark cancelled = rig_submit(rig, "{\"command\": [\"echo\", \"ran\"]}");
        struct gw_mark held = rig_submit(rig, "{\"command\": [\"echo\", \"ran\"]}");
        rig_close(rig);
        int fds[2] = {hold_run(cancelled), hold_run(held)};
        rig_open(rig);
        struct gw_submission lives[3] = {live(cancelled), live(held), live(blocker)};
        rig_lead(rig, lives, 3);
        rig_wait_phase(rig, cancelled, GW_PHASE_RUNNING);
        rig_wait_phase(rig, held, GW_PHASE_RUNNING);
        assert_int_equal(rig_cancel(rig, cancelled), GW_ANSWER_DONE);
        assert_int_equal(rig->b->type->change(rig->b, held, true, -1, 0), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_CHANGE, held).answer, GW_ANSWER_DONE);
        close(fds[0]);
        close(fds[1]);

        /* At once, although there is no room to start anything. */
        struct told t = rig_wait_phase(rig, cancelled, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_CANCELLED_BY_USER);
        assert_int_equal(t.started_us, 0);
        rig_wait(rig, is_held, &held, "a hold");
        rig_cancel(rig, blocker);
        rig_wait_phase(rig, blocker, GW_PHASE_ENDED);
        assert_int_equal(rig_run(rig, "{\"command\": [\"true\"]}").reason, GW_REASON_COMPLETED);
        rig_wait(rig, is_held, &held, "a hold");
        gw_autofree char *out = rig_output(rig, held, "out");
        assert_null(out);
}

static void a_task_that_was_lost_is_no_failed_job(void **state)
{
        (void)state;
        /* As after a power cut: the name is on the disk, the content is not. */
        struct gw_mark mark = rig_submit(rig, "{\"resources\": {\"cpus\": 4}, \"command\": "
                                              "[\"sleep\", \"1000\"]}");
        struct gw_mark lost = rig_submit(rig, "{\"command\": [\"true\"]}");
        rig_close(rig);
        char path[512];
        rig_task_path(rig, lost, path);
        assert_int_equal(truncate(path, 0), 0);
        rig_open(rig);
        struct gw_submission lives[2] = {live(mark), live(lost)};
        rig_lead(rig, lives, 2);
        assert_int_equal(rig_wait_phase(rig, lost, GW_PHASE_ENDED).reason, GW_REASON_NODE_FAILURE);
        rig_wait_phase(rig, mark, GW_PHASE_RUNNING);

        /* And when only its end is missing, it does not start. */
        struct gw_mark half = rig_submit(rig, "{\"command\": [\"echo\", \"half\"]}");
        char *task;
        off_t journal = rig_read_task(rig, half, &task);
        free(task);
        rig_task_path(rig, half, path);
        assert_int_equal(truncate(path, journal - 5), 0);
        rig_cancel(rig, mark);
        struct told t = rig_wait_phase(rig, half, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_LAUNCH_FAILED);
        assert_int_equal(t.started_us, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_runs_is_taken_over, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_was_taken_over_can_be_cancelled, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_ended_meanwhile_is_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_waits_keeps_its_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(closed_ones_are_removed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(resolve_is_final, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_half_made_task_is_not_believed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(two_gateways_have_one_leader, set_up, tear_down),
                cmocka_unit_test_setup_teardown(nothing_of_an_old_epoch_is_done, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_killed_shim_is_no_failed_job, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_shim_killed_while_nobody_looks, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_restart_of_the_machine_is_noticed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_was_told_to_run_is_not_run_after_a_restart,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_was_told_to_run_may_wait_again, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(nothing_runs_twice, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_pid_of_a_dead_shim_is_not_taken_for_it, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(
                        a_run_whose_gateway_died_before_the_shim_began_is_started, set_up,
                        tear_down),
                cmocka_unit_test_setup_teardown(a_wish_to_stop_outlives_the_gateway_that_took_it,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_task_that_cannot_be_read_is_not_lost, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_stop_that_could_not_be_written_is_written_later,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        what_turns_out_not_to_have_begun_is_cancelled_or_held, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_task_that_was_lost_is_no_failed_job, set_up,
                                                tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
