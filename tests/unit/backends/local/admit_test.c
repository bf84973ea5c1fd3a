/* Who may start when, what is refused, holding, and what the host is told when it is busy. */
#include "tests/unit/backends/local/rig.h"

static struct rig *rig;

static int set_up(void **state)
{
        (void)state;
        rig = rig_new("{\"cpus\": 4, \"memory\": \"4Gi\", \"gpus\": 4}");
        rig_lead(rig, NULL, 0);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        rig_free(rig);
        return 0;
}

/* A job that runs until it is cancelled. */
static struct gw_mark submit_blocker(const char *resources)
{
        char spec[512];
        snprintf(spec, sizeof spec,
                 "{\"resources\": %s, \"command\": [\"sh\", \"-c\", \"echo go; exec sleep 1000\"]}",
                 resources);
        return rig_submit(rig, spec);
}

static struct told last_told(struct gw_mark mark)
{
        struct told t = {0};
        pthread_mutex_lock(&rig->lock);
        assert_true(rig_last_told(rig, mark, &t));
        pthread_mutex_unlock(&rig->lock);
        return t;
}

static bool is_pending_for(struct rig *r, void *arg)
{
        struct told *want = arg, got;
        return rig_last_told(r, want->mark, &got) && got.phase == GW_PHASE_PENDING &&
               got.reason == want->reason;
}

static void wait_pending(struct gw_mark mark, enum gw_reason reason)
{
        struct told want = {.mark = mark, .reason = reason};
        rig_wait(rig, is_pending_for, &want, gw_reason_name(reason));
}

static void each_resource_blocks_the_line(void **state)
{
        (void)state;
        static const struct {
                const char *first, *second;
        } cases[] = {
                {"{\"cpus\": 3}", "{\"cpus\": 2}"},
                {"{\"cpus\": \"3500m\"}", "{\"cpus\": 0.6}"},
                {"{\"cpus\": 0.1, \"memory\": \"3Gi\"}", "{\"cpus\": 0.1, \"memory\": \"1025Mi\"}"},
                {"{\"cpus\": 0.1, \"gpus\": 3}", "{\"cpus\": 0.1, \"gpus\": 2}"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_mark first = submit_blocker(cases[i].first);
                rig_wait_output(rig, first, "go");
                struct gw_mark second = submit_blocker(cases[i].second);
                wait_pending(second, GW_REASON_RESOURCES);
                /* It would fit, but came later. */
                struct gw_mark third = submit_blocker("{\"cpus\": 0.1}");
                wait_pending(third, GW_REASON_PRIORITY);
                rig_cancel(rig, first);
                rig_wait_phase(rig, second, GW_PHASE_RUNNING);
                rig_wait_phase(rig, third, GW_PHASE_RUNNING);
                rig_cancel(rig, second);
                rig_cancel(rig, third);
                rig_wait_phase(rig, second, GW_PHASE_ENDED);
                rig_wait_phase(rig, third, GW_PHASE_ENDED);
        }
}

static void the_next_in_line_is_told_so_after_a_while(void **state)
{
        (void)state;
        struct gw_mark first = submit_blocker("{\"cpus\": 4}");
        struct gw_mark second = submit_blocker("{\"cpus\": 4}");
        struct gw_mark third = submit_blocker("{\"cpus\": 4}");
        wait_pending(third, GW_REASON_PRIORITY);
        rig_cancel(rig, second);
        wait_pending(third, GW_REASON_RESOURCES);
        rig_cancel(rig, first);
        rig_wait_phase(rig, third, GW_PHASE_RUNNING);
}

static void arrival_order_is_kept(void **state)
{
        (void)state;
        enum { COUNT = 40 };
        struct gw_mark marks[COUNT];
        for (int i = 0; i < COUNT; i++) {
                marks[i] = rig_mark();
                rig_submit_as(rig, marks[i],
                              "{\"resources\": {\"cpus\": 4}, \"command\": [\"true\"]}");
        }
        int64_t last = 0;
        for (int i = 0; i < COUNT; i++) {
                struct told t = rig_wait_phase(rig, marks[i], GW_PHASE_ENDED);
                assert_true(t.started_us > last);
                last = t.ended_us;
        }
}

static void what_can_never_fit_is_refused(void **state)
{
        (void)state;
        static const struct {
                const char *spec, *words;
        } cases[] = {
                {"{\"resources\": {\"cpus\": 4.001}, \"command\": [\"true\"]}",
                 "4001m cpus are asked for, and this backend has 4"},
                {"{\"resources\": {\"memory\": \"5Gi\"}, \"command\": [\"true\"]}",
                 "5Gi of memory is asked for, and this backend has 4Gi"},
                {"{\"resources\": {\"gpus\": 5}, \"command\": [\"true\"]}",
                 "5 GPUs are asked for, and this backend has 4"},
                {"{\"resources\": {\"cpus\": 1.5, \"memory_per_cpu\": \"1Pi\"}, \"command\": "
                 "[\"true\"]}",
                 "2Pi of memory is asked for"},
                {"{\"image\": \"debian:12\", \"command\": [\"true\"]}", "no container images"},
                {"{\"resources\": {\"gpu_type\": \"a100\"}, \"command\": [\"true\"]}",
                 "GPUs by count"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_mark mark = rig_mark();
                struct gw_submission s = rig_submission(mark, cases[i].spec);
                assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
                struct answered a = rig_wait_answer(rig, GW_REQUEST_SUBMIT, mark);
                assert_int_equal(a.answer, GW_ANSWER_REFUSED);
                if (!strstr(a.raw, cases[i].words))
                        fail_msg("refused with: %s", a.raw);
                assert_int_equal(rig->b->type->resolve(rig->b, &s), 0);
                assert_int_equal(rig_wait_answer(rig, GW_REQUEST_RESOLVE, mark).answer,
                                 GW_ANSWER_ABSENT);
        }
        /* Just as much as there is. */
        assert_int_equal(rig_run(rig, "{\"resources\": {\"cpus\": 4, \"memory\": \"4Gi\", "
                                      "\"gpus\": 4}, \"command\": [\"true\"]}")
                                 .reason,
                         GW_REASON_COMPLETED);
}

static void too_late_is_not_sent(void **state)
{
        (void)state;
        struct gw_submission s = rig_submission(rig_mark(), "{\"command\": [\"true\"]}");
        s.send_before = gw_clock_wall_us() - 1;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_SUBMIT, s.mark).answer,
                         GW_ANSWER_NOT_SENT);
        s.send_before = gw_clock_wall_us() + 60 * GW_SECOND;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_SUBMIT, s.mark).answer, GW_ANSWER_DONE);
}

static struct gw_mark run_with_gpus(int count)
{
        char spec[512];
        snprintf(spec, sizeof spec,
                 "{\"resources\": {\"cpus\": 0.5, \"gpus\": %d}, \"command\": [\"sh\", \"-c\", "
                 "\"echo $CUDA_VISIBLE_DEVICES/$JOBGATE_GPUS/; exec sleep 1000\"]}",
                 count);
        struct gw_mark mark = rig_submit(rig, spec);
        rig_wait_output(rig, mark, "/\n");
        return mark;
}

static void gpus_are_given_by_number(void **state)
{
        (void)state;
        struct gw_mark two = run_with_gpus(2), one = run_with_gpus(1), none = run_with_gpus(0);
        rig_assert_output(rig, two, "out", "0,1/0,1/\n");
        rig_assert_output(rig, one, "out", "2/2/\n");
        rig_assert_output(rig, none, "out", "//\n");
        rig_cancel(rig, two);
        rig_wait_phase(rig, two, GW_PHASE_ENDED);

        /* Those of a job that is taken over stay taken. */
        struct gw_submission lives[2] = {rig_submission(one, "{}"), rig_submission(none, "{}")};
        rig_close(rig);
        rig_open(rig);
        rig_lead(rig, lives, 2);
        struct gw_mark three = run_with_gpus(3);
        rig_assert_output(rig, three, "out", "0,1,3/0,1,3/\n");
}

static void gpus_that_are_not_known_yet_are_taken(void **state)
{
        (void)state;
        struct gw_mark first = rig_mark();
        struct gw_submission s = rig_submission(
                first, "{\"resources\": {\"cpus\": 0.5, \"gpus\": 2}, \"command\": [\"true\"]}");
        s.held = true;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        rig_wait_answer(rig, GW_REQUEST_SUBMIT, first);
        rig_close(rig);
        /* Its shim is about to start it, and has not said with which. */
        char path[512];
        rig_task_path(rig, first, path);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = gw_local_run_lock(F_WRLCK, 0, 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        rig_open(rig);
        s.accepted = true;
        rig_lead(rig, &s, 1);
        rig_wait_phase(rig, first, GW_PHASE_RUNNING);
        assert_int_equal(rig_run(rig, "{\"command\": [\"true\"]}").reason, GW_REASON_COMPLETED);
        struct gw_mark second = rig_submit(
                rig, "{\"resources\": {\"cpus\": 0.5, \"gpus\": 2}, \"command\": [\"sh\", \"-c\", "
                     "\"echo $JOBGATE_GPUS/\"]}");
        wait_pending(second, GW_REASON_RESOURCES);

        FILE *f = fopen(path, "ae");
        assert_non_null(f);
        fprintf(f, GW_LOCAL_STARTED_FORMAT, 0U, 0U, 1000000LL, "", 1LL, 1LL, "0,1");
        fclose(f);
        rig_wait_phase(rig, second, GW_PHASE_ENDED);
        rig_assert_output(rig, second, "out", "2,3/\n");
        close(fd);
        assert_int_equal(rig_wait_phase(rig, first, GW_PHASE_ENDED).reason, GW_REASON_NODE_FAILURE);
}

static void held_jobs_are_not_in_line(void **state)
{
        (void)state;
        struct gw_mark mark = rig_mark();
        struct gw_submission s = rig_submission(mark, "{\"command\": [\"echo\", \"ran\"]}");
        s.held = true;
        assert_int_equal(rig->b->type->submit(rig->b, &s), 0);
        wait_pending(mark, GW_REASON_HELD);
        rig_run(rig, "{\"command\": [\"true\"]}");
        rig_lead(rig, &s, 1);
        wait_pending(mark, GW_REASON_HELD);
        assert_int_equal(rig->b->type->change(rig->b, mark, false, -1, 0), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_CHANGE, mark).answer, GW_ANSWER_DONE);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
}

static void a_waiting_job_can_be_held_and_shortened(void **state)
{
        (void)state;
        struct gw_mark blocker = submit_blocker("{\"cpus\": 4}");
        rig_wait_output(rig, blocker, "go");
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"sleep\", \"1000\"]}");
        assert_int_equal(rig->b->type->change(rig->b, mark, true, 1, 0), 0);
        wait_pending(mark, GW_REASON_HELD);
        rig_cancel(rig, blocker);
        rig_wait_phase(rig, blocker, GW_PHASE_ENDED);
        assert_int_equal(last_told(mark).phase, GW_PHASE_PENDING);
        assert_int_equal(rig->b->type->change(rig->b, mark, false, 1, 0), 0);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason, GW_REASON_TIME_LIMIT);
        struct gw_mark unknown = rig_mark();
        assert_int_equal(rig->b->type->change(rig->b, unknown, false, 1, 0), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_CHANGE, unknown).answer, GW_ANSWER_ABSENT);
}

static void waiting_jobs_are_cancelled_without_a_run(void **state)
{
        (void)state;
        struct gw_mark blocker = submit_blocker("{\"cpus\": 4}");
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"true\"]}");
        assert_int_equal(rig_cancel(rig, mark), GW_ANSWER_DONE);
        struct told t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_CANCELLED_BY_USER);
        assert_int_equal(t.started_us, 0);
        assert_string_equal(t.raw, "cancelled before it started");

        /* Still so after a restart. */
        struct gw_submission lives[2] = {rig_submission(mark, "{}"), rig_submission(blocker, "{}")};
        rig_close(rig);
        rig_open(rig);
        rig_lead(rig, lives, 2);
        t = rig_wait_phase(rig, mark, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_CANCELLED_BY_USER);
}

static void refuse_facts(bool refuse)
{
        pthread_mutex_lock(&rig->lock);
        rig->refuse = refuse;
        pthread_mutex_unlock(&rig->lock);
}

static void facts_refused_are_offered_again(void **state)
{
        (void)state;
        refuse_facts(true);
        enum { COUNT = 100 };
        struct gw_mark marks[COUNT];
        for (int i = 0; i < COUNT; i++)
                marks[i] = rig_submit(rig, "{\"command\": [\"true\"]}");
        struct gw_mark cancelled = submit_blocker("{\"cpus\": 1}");
        rig_wait_output(rig, cancelled, "go");
        assert_int_equal(rig->told_count, 0);
        refuse_facts(false);
        rig->b->type->resume(rig->b);
        for (int i = 0; i < COUNT; i++)
                assert_int_equal(rig_wait_phase(rig, marks[i], GW_PHASE_ENDED).reason,
                                 GW_REASON_COMPLETED);
        rig_wait_phase(rig, cancelled, GW_PHASE_RUNNING);
}

static void seen_rises_within_an_epoch(void **state)
{
        (void)state;
        for (int i = 0; i < 10; i++)
                rig_run(rig, "{\"command\": [\"true\"]}");
        pthread_mutex_lock(&rig->lock);
        for (size_t i = 1; i < rig->told_count; i++) {
                assert_true(rig->told[i].seen >= rig->told[i - 1].seen);
                assert_int_equal(rig->told[i].epoch, rig->epoch);
        }
        pthread_mutex_unlock(&rig->lock);
}

static void without_a_shim_jobs_wait(void **state)
{
        (void)state;
        /* A shim that goes away after the backend was opened. */
        char link[256];
        snprintf(link, sizeof link, "%s/shim", rig->directory);
        const char *shim = json_string_value(json_object_get(rig->settings, "shim"));
        assert_int_equal(symlink(shim, link), 0);
        json_object_set_new(rig->settings, "shim", json_string(link));
        rig_close(rig);
        rig_open(rig);
        rig_lead(rig, NULL, 0);
        assert_int_equal(unlink(link), 0);
        struct gw_mark mark = rig_submit(rig, "{\"command\": [\"true\"]}");
        wait_pending(mark, GW_REASON_NODE_UNAVAILABLE);
        assert_non_null(strstr(last_told(mark).raw, "jobgate-shim"));
        char target[4200];
        snprintf(target, sizeof target, "%s/..", link);
        gw_autofree char *exe = realpath("/proc/self/exe", NULL);
        *strrchr(exe, '/') = '\0';
        snprintf(target, sizeof target, "%s/../../jobgate-shim", exe);
        assert_int_equal(symlink(target, link), 0);
        assert_int_equal(rig_wait_phase(rig, mark, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(each_resource_blocks_the_line, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_next_in_line_is_told_so_after_a_while, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(arrival_order_is_kept, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_can_never_fit_is_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(too_late_is_not_sent, set_up, tear_down),
                cmocka_unit_test_setup_teardown(gpus_are_given_by_number, set_up, tear_down),
                cmocka_unit_test_setup_teardown(gpus_that_are_not_known_yet_are_taken, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(held_jobs_are_not_in_line, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_waiting_job_can_be_held_and_shortened, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(waiting_jobs_are_cancelled_without_a_run, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(facts_refused_are_offered_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(seen_rises_within_an_epoch, set_up, tear_down),
                cmocka_unit_test_setup_teardown(without_a_shim_jobs_wait, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
