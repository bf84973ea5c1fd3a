/* Logs and their removal, and what is on the disk. */
#include <pthread.h>

#include "tests/unit/backends/local/rig.h"

static struct rig *rig;
static struct gw_mailbox home;

static int set_up(void **state)
{
        (void)state;
        rig = rig_new(NULL);
        rig_lead(rig, NULL, 0);
        return gw_mailbox_init(&home, 16);
}

static int tear_down(void **state)
{
        (void)state;
        rig_free(rig);
        gw_mailbox_done(&home);
        return 0;
}

static void wait_home(struct gw_work *work)
{
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        struct gw_work *got;
        while (!(got = gw_mailbox_take(&home)) && gw_clock_mono_us() < until)
                rig_pause();
        assert_ptr_equal(got, work);
}

static struct gw_log_source open_log(struct gw_backend *b, struct gw_mark mark, bool want_stderr)
{
        struct gw_log_source log = {
                .work = {.home = &home}, .mark = mark, .attempt = 1, .want_stderr = want_stderr};
        b->type->log(b, &log);
        wait_home(&log.work);
        return log;
}

static void assert_log(struct gw_mark mark, bool want_stderr, const char *expected, bool complete)
{
        struct gw_log_source log = open_log(rig->b, mark, want_stderr);
        char text[256] = "";
        if (log.fd < 0)
                fail_msg("log: %s", log.error.message);
        assert_int_equal(log.error.code, GW_OK);
        assert_int_equal(log.complete, complete);
        assert_true(read(log.fd, text, sizeof text - 1) >= 0);
        close(log.fd);
        assert_string_equal(text, expected);
        if (complete)
                assert_int_equal(log.size, strlen(expected));
}

static enum gw_error_code log_error(struct gw_mark mark)
{
        struct gw_log_source log = open_log(rig->b, mark, false);
        assert_int_equal(log.fd, -1);
        return log.error.code;
}

static void forget(struct gw_mark mark)
{
        assert_int_equal(rig->b->type->forget(rig->b, mark), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_FORGET, mark).answer, GW_ANSWER_DONE);
}

static void logs_grow_are_complete_and_go(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig,
                "{\"command\": [\"sh\", \"-c\", \"echo one; echo err >&2; while [ ! -e end ]; do "
                "sleep 0.02; done; echo two; rm end\"]}");
        rig_wait_output(rig, mark, "one");
        assert_log(mark, false, "one\n", false);
        char path[512], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/1.0.work/end", rig->directory, id);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        chown(path, 65534, (gid_t)-1);
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_log(mark, false, "one\ntwo\n", true);
        assert_log(mark, true, "err\n", true);

        assert_int_equal(rig_journal(rig, mark, "exit_code"), 0);
        forget(mark);
        assert_int_equal(rig_journal(rig, mark, "exit_code"), -1);
        snprintf(path, sizeof path, "%s/jobs/%s/1.task", rig->directory, id);
        assert_int_equal(access(path, F_OK), 0);
        assert_log(mark, false, "one\ntwo\n", true);
        forget(mark);

        assert_int_equal(rig->b->type->purge(rig->b, mark.job, NULL), 0);
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while (log_error(mark) != GW_ERR_GONE && gw_clock_mono_us() < until)
                rig_pause();
        assert_int_equal(log_error(mark), GW_ERR_GONE);
}

/* Whether its end was taken note of or not. */
static void a_removed_log_is_gone(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"true\"]}");
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        char path[512], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/1.0.out", rig->directory, id);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(log_error(mark), GW_ERR_GONE);
        forget(mark);
        assert_int_equal(log_error(mark), GW_ERR_GONE);
}

static void another_gateway_serves_the_logs(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"echo\", \"hello\"]}");
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        struct gw_error err = {0};
        const struct gw_backend_host host = {.self = rig};
        struct gw_backend *other = rig->b->type->open("other", rig->settings, &host, &err);
        assert_non_null(other);
        struct gw_log_source log = open_log(other, mark, false);
        assert_true(log.fd >= 0);
        assert_true(log.complete);
        assert_int_equal(log.size, 6);
        close(log.fd);
        other->type->close(other);
}

static void a_job_that_waits_has_no_log_yet(void **state)
{
        (void)state;
        struct gw_mark mark = rig_mark();
        struct gw_submission s = rig_submission(mark, "{\"command\": [\"true\"]}");
        s.held = true;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        rig_wait_phase(rig, mark, GW_PHASE_PENDING);
        assert_int_equal(log_error(mark), GW_ERR_NOT_FOUND);
        assert_int_equal(log_error(rig_mark()), GW_ERR_GONE);
}

/* A job may change its own files, if the gateway is no other user; what it puts there instead
 * of a log is not served. */
static void only_plain_files_are_served(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"true\"]}");
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        char path[512], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/1.0.out", rig->directory, id);
        unlink(path);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        assert_int_equal(log_error(mark), GW_ERR_GONE);
        unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(log_error(mark), GW_ERR_GONE);
}

static size_t count_entries(const char *folder)
{
        char path[512];
        snprintf(path, sizeof path, "%s/%s", rig->directory, folder);
        DIR *dir = opendir(path);
        size_t count = 0;
        for (struct dirent *e; dir && (e = readdir(dir));)
                count += e->d_name[0] != '.';
        if (dir)
                closedir(dir);
        return count;
}

static void whatever_a_job_left_is_removed(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig,
                "{\"script\": \"#!/bin/sh\\nset -e\\ni=0\\nwhile [ $i -lt 300 ]; do mkdir d; cd "
                "d; i=$((i+1)); done\\ncd - >/dev/null\\ncd \\\"$HERE\\\" 2>/dev/null || "
                "true\\n"
                "ln -s / root; ln -s /tmp/gw-outside out; mkfifo fifo\\n"
                "mkdir locked; touch locked/x; chmod 0 locked\\n"
                "seq 1 2000 | xargs touch\\n\"}");
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        assert_int_equal(count_entries("jobs"), 1);
        forget(mark);
        assert_int_equal(rig->b->type->purge(rig->b, mark.job, NULL), 0);
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while ((count_entries("jobs") || count_entries("trash")) && gw_clock_mono_us() < until)
                rig_pause();
        assert_int_equal(count_entries("jobs"), 0);
        assert_int_equal(count_entries("trash"), 0);
        assert_int_equal(count_entries("live"), 0);
        assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void forgetting_a_running_job_stops_it(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(
                rig, "{\"command\": [\"sh\", \"-c\", \"echo pid=$$; exec sleep 1000\"]}");
        rig_wait_output(rig, mark, "pid=");
        pid_t pid = rig_output_number(rig, mark, "pid=");
        forget(mark);
        rig_wait_dead(pid);
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while (count_entries("live") && gw_clock_mono_us() < until)
                rig_pause();
        assert_int_equal(count_entries("live"), 0);
}

static void others_cannot_look_in(void **state)
{
        (void)state;
        struct gw_mark mark = rig_submit(rig, "{\"script\": \"#!/bin/sh\\ntouch f\\n\"}");
        rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        static const struct {
                const char *path;
                mode_t mode;
        } cases[] = {
                {"live", 0700},
                {"trash", 0700},
                {"jobs", 0711},
                {"jobs/%s", 0711},
                {"jobs/%s/1.0.out", 0640},
                {"jobs/%s/1.0.work", 0700},
                {"jobs/%s/1.0.script", 0700},
        };
        char id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                char path[512], name[256];
                struct stat st;
                const char *at = strstr(cases[i].path, "%s");
                snprintf(name, sizeof name, "%.*s%s%s",
                         (int)(at ? at - cases[i].path : (ptrdiff_t)strlen(cases[i].path)),
                         cases[i].path, at ? id : "", at ? at + 2 : "");
                snprintf(path, sizeof path, "%s/%s", rig->directory, name);
                assert_int_equal(stat(path, &st), 0);
                if ((st.st_mode & 07777) != cases[i].mode)
                        fail_msg("%s has mode %o", name, st.st_mode & 07777);
        }
}

static void a_dry_run_tells_without_doing(void **state)
{
        (void)state;
        static const struct {
                const char *spec;
                enum gw_error_code code;
                const char *pointer;
        } cases[] = {
                {"{\"command\": [\"true\"]}", GW_OK, ""},
                {"{\"command\": [\"true\"], \"resources\": {\"cpus\": 5}}", GW_ERR_UNPROCESSABLE,
                 "/resources/cpus"},
                {"{\"command\": [\"true\"], \"image\": \"x\"}", GW_ERR_UNPROCESSABLE, "/image"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_submission s = rig_submission(rig_mark(), cases[i].spec);
                struct gw_backend_check check = {.work = {.home = &home}, .submission = &s};
                rig->b->type->check(rig->b, &check);
                wait_home(&check.work);
                assert_int_equal(check.error.code, cases[i].code);
                assert_string_equal(check.error.pointer, cases[i].pointer);
        }
        assert_int_equal(count_entries("live"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(logs_grow_are_complete_and_go, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_removed_log_is_gone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(another_gateway_serves_the_logs, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_job_that_waits_has_no_log_yet, set_up, tear_down),
                cmocka_unit_test_setup_teardown(only_plain_files_are_served, set_up, tear_down),
                cmocka_unit_test_setup_teardown(whatever_a_job_left_is_removed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(forgetting_a_running_job_stops_it, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(others_cannot_look_in, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_dry_run_tells_without_doing, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
