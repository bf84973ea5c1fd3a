/* Arrays: many tasks of one submission, each with its own run, outcome, output and journal. */
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

/* A task that runs until it is let go, and then fails with its index. */
#define BLOCKED                                                                                    \
        "{\"resources\": {\"cpus\": 1}, \"command\": [\"sh\", \"-c\", \"echo pid=$$; while [ ! "   \
        "-e end ]; do sleep 0.02; done; exit $JOBGATE_TASK_INDEX\"]}"
/* The same, all cpus of the backend for each. */
#define ALONE                                                                                      \
        "{\"resources\": {\"cpus\": 4}, \"command\": [\"sh\", \"-c\", \"echo pid=$$; while [ ! "   \
        "-e end ]; do sleep 0.02; done\"]}"

static void let_go(struct gw_mark mark, uint32_t ordinal)
{
        char path[512], id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(path, sizeof path, "%s/jobs/%s/%u.%u.work/end", rig->directory, id, mark.number,
                 ordinal);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static struct gw_submission array(const char *spec, const char *indices,
                                  const struct gw_span *spans, size_t count)
{
        struct gw_submission s = rig_submission(rig_mark(), spec);
        s.index_set = indices;
        s.spans = spans;
        s.span_count = count;
        s.accepted = true;
        return s;
}

static struct answered ask_to_run(const struct gw_submission *s)
{
        assert_int_equal(rig->b->type->submit(rig->b, s), 0);
        return rig_wait_answer(rig, GW_REQUEST_SUBMIT, s->mark);
}

static void submit(const struct gw_submission *s)
{
        struct answered a = ask_to_run(s);
        if (a.answer != GW_ANSWER_DONE)
                fail_msg("submit: %d %s", a.answer, a.raw);
}

static void cancel(const struct gw_submission *s, const struct gw_span *spans, size_t count)
{
        assert_int_equal(rig->b->type->cancel(rig->b, s->mark, spans, count), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_CANCEL, s->mark).answer, GW_ANSWER_DONE);
}

static void change(const struct gw_submission *s, bool held, int64_t time_limit_s)
{
        assert_int_equal(rig->b->type->change(rig->b, s->mark, held, time_limit_s, 0), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_CHANGE, s->mark).answer, GW_ANSWER_DONE);
}

static void restart(const struct gw_submission *live, size_t count)
{
        rig_close(rig);
        rig_open(rig);
        rig_lead(rig, live, count);
}

struct waiting {
        struct gw_mark mark;
        uint32_t ordinal;
        enum gw_reason reason;
};

static bool waits_for(struct rig *r, void *arg)
{
        struct waiting *w = arg;
        struct told t;
        return rig_last_told_of(r, w->mark, w->ordinal, &t) && t.phase == GW_PHASE_PENDING &&
               t.reason == w->reason;
}

static void wait_pending(struct gw_mark mark, uint32_t ordinal, enum gw_reason reason)
{
        struct waiting w = {mark, ordinal, reason};
        rig_wait(rig, waits_for, &w, gw_reason_name(reason));
}

static enum gw_phase phase_of(struct gw_mark mark, uint32_t ordinal)
{
        struct told t = {0};
        pthread_mutex_lock(&rig->lock);
        assert_true(rig_last_told_of(rig, mark, ordinal, &t));
        pthread_mutex_unlock(&rig->lock);
        return t.phase;
}

static size_t count_told(struct gw_mark mark, enum gw_phase phase, struct told *ret_last)
{
        size_t count = 0;
        pthread_mutex_lock(&rig->lock);
        for (size_t i = 0; i < rig->told_count; i++)
                if (rig_same(rig->told[i].mark, mark) && rig->told[i].phase == phase) {
                        *ret_last = rig->told[i];
                        count++;
                }
        pthread_mutex_unlock(&rig->lock);
        return count;
}

static void assert_output(struct gw_mark mark, uint32_t ordinal, const char *expected)
{
        gw_autofree char *text = rig_output_of(rig, mark, ordinal, "out");
        assert_non_null(text);
        assert_string_equal(text, expected);
}

static pid_t pid_of(struct gw_mark mark, uint32_t ordinal)
{
        rig_wait_output_of(rig, mark, ordinal, "pid=");
        gw_autofree char *text = rig_output_of(rig, mark, ordinal, "out");
        return (pid_t)atoi(text + strlen("pid="));
}

static void tasks_run_in_the_order_of_their_ordinals(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 29};
        struct gw_submission s = array("{\"resources\": {\"cpus\": 4}, \"command\": [\"sh\", "
                                       "\"-c\", \"echo $JOBGATE_TASK_INDEX $JOBGATE_ATTEMPT\"]}",
                                       "10-68:2", &all, 1);
        submit(&s);
        /* Behind it, although it would fit in between. */
        struct gw_mark after = rig_submit(rig, "{\"command\": [\"true\"]}");
        int64_t last = 0;
        for (uint32_t i = 0; i < 30; i++) {
                struct told t = rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED);
                assert_int_equal(t.reason, GW_REASON_COMPLETED);
                assert_int_equal(t.span.first, t.span.last);
                assert_true(t.started_us > last);
                last = t.ended_us;
                char expected[32];
                snprintf(expected, sizeof expected, "%u 1\n", 10 + 2 * i);
                assert_output(s.mark, i, expected);
        }
        assert_true(rig_wait_phase(rig, after, GW_PHASE_ENDED).started_us > last);
}

static void each_task_has_its_values(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 3};
        struct gw_submission s =
                array("{\"command\": [\"sh\", \"-c\", \"echo $lr/$name/$keep/$(env | grep -c "
                      "^lr=)\"], \"environment\": {\"lr\": \"1\", \"keep\": \"k\"}, \"array\": "
                      "{\"matrix\": {\"lr\": [0.1, 2], \"name\": [\"a b\", true]}}}",
                      "0-3", &all, 1);
        static const char *const expected[] = {"0.1/a b/k/1\n", "0.1/true/k/1\n", "2/a b/k/1\n",
                                               "2/true/k/1\n"};
        s.held = true;
        submit(&s);
        wait_pending(s.mark, 3, GW_REASON_HELD);
        /* They come from the disk after a restart. */
        restart(&s, 1);
        change(&s, false, -1);
        for (uint32_t i = 0; i < 4; i++) {
                assert_int_equal(rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED).reason,
                                 GW_REASON_COMPLETED);
                assert_output(s.mark, i, expected[i]);
        }
}

static void values_that_are_too_long_fail_their_task(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 1};
        struct gw_buf spec = GW_BUF_INIT(1 << 20);
        gw_buf_str(&spec, "{\"command\": [\"true\"], \"array\": {\"matrix\": {\"x\": [\"");
        for (int i = 0; i < 200000; i++)
                gw_buf_char(&spec, 'x');
        gw_buf_str(&spec, "\", \"y\"]}}}");
        struct gw_submission s = array(spec.data, "0-1", &all, 1);
        submit(&s);
        assert_int_equal(rig_wait_task(rig, s.mark, 0, GW_PHASE_ENDED).reason,
                         GW_REASON_LAUNCH_FAILED);
        assert_int_equal(rig_wait_task(rig, s.mark, 1, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        gw_buf_done(&spec);
}

static void what_the_array_has_not_is_refused(void **state)
{
        (void)state;
        static const struct {
                const char *indices;
                struct gw_span spans[2];
        } cases[] = {
                {NULL, {{0, 0}, {1, 1}}},
                {"0-4", {{0, 1}, {4, 5}}},
                {"0-4", {{3, 4}, {1, 1}}},
                {"4-", {{0, 0}, {1, 1}}},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_submission s =
                        array("{\"command\": [\"true\"]}", cases[i].indices, cases[i].spans, 2);
                assert_int_equal(ask_to_run(&s).answer, GW_ANSWER_REFUSED);
                assert_int_equal(rig->b->type->resolve(rig->b, &s), 0);
                assert_int_equal(rig_wait_answer(rig, GW_REQUEST_RESOLVE, s.mark).answer,
                                 GW_ANSWER_ABSENT);
        }
}

static void what_waits_is_told_as_spans(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 999999}, some[] = {{10, 19}, {500000, 500000}};
        struct told t;
        struct gw_submission s = array(BLOCKED, "0-999999", &all, 1);
        s.held = true;
        submit(&s);
        wait_pending(s.mark, 0, GW_REASON_HELD);
        assert_int_equal(count_told(s.mark, GW_PHASE_PENDING, &t), 1);
        assert_int_equal(t.span.first, 0);
        assert_int_equal(t.span.last, 999999);

        cancel(&s, some, 2);
        t = rig_wait_task(rig, s.mark, 12, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_CANCELLED_BY_USER);
        assert_int_equal(t.started_us, 0);
        assert_int_equal(t.span.first, 10);
        assert_int_equal(t.span.last, 19);
        rig_wait_task(rig, s.mark, 500000, GW_PHASE_ENDED);
        assert_int_equal(count_told(s.mark, GW_PHASE_ENDED, &t), 2);

        /* Levels: all of it is told to the next leader. */
        restart(&s, 1);
        assert_int_equal(count_told(s.mark, GW_PHASE_ENDED, &t), 2);
        assert_int_equal(count_told(s.mark, GW_PHASE_PENDING, &t), 3);
        assert_int_equal(t.span.first, 500001);
        cancel(&s, NULL, 0);
        rig_wait_task(rig, s.mark, 999999, GW_PHASE_ENDED);
        assert_int_equal(phase_of(s.mark, 0), GW_PHASE_ENDED);
}

static void many_spans_are_told_in_batches(void **state)
{
        (void)state;
        struct gw_span spans[300];
        struct told t;
        for (uint32_t i = 0; i < 300; i++)
                spans[i] = (struct gw_span){3 * i, 3 * i + 1};
        struct gw_submission s = array(BLOCKED, "0-999", spans, 300);
        s.held = true;
        submit(&s);
        wait_pending(s.mark, 898, GW_REASON_HELD);
        assert_int_equal(count_told(s.mark, GW_PHASE_PENDING, &t), 300);
        restart(&s, 1);
        assert_int_equal(count_told(s.mark, GW_PHASE_PENDING, &t), 300);
}

static void what_does_not_fit_blocks_those_behind(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 2};
        struct gw_submission s = array(ALONE, "0-2", &all, 1);
        submit(&s);
        pid_of(s.mark, 0);
        struct gw_mark behind =
                rig_submit(rig, "{\"resources\": {\"cpus\": 0.1}, \"command\": [\"true\"]}");
        wait_pending(behind, 0, GW_REASON_PRIORITY);
        wait_pending(s.mark, 1, GW_REASON_RESOURCES);
        let_go(s.mark, 0);
        pid_of(s.mark, 1);
        assert_int_equal(phase_of(behind, 0), GW_PHASE_PENDING);
        let_go(s.mark, 1);
        pid_of(s.mark, 2);
        let_go(s.mark, 2);
        struct told t = rig_wait_task(rig, s.mark, 2, GW_PHASE_ENDED);
        assert_true(rig_wait_phase(rig, behind, GW_PHASE_ENDED).started_us > t.started_us);
}

static void gpus_are_given_to_each_task(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 2};
        struct gw_submission s =
                array("{\"resources\": {\"cpus\": 1, \"gpus\": 2}, \"command\": [\"sh\", \"-c\", "
                      "\"echo pid=$$; echo $JOBGATE_GPUS; exec sleep 1000\"]}",
                      "0-2", &all, 1);
        submit(&s);
        rig_wait_output_of(rig, s.mark, 0, "\n0,1\n");
        rig_wait_output_of(rig, s.mark, 1, "\n2,3\n");
        static const struct gw_span second = {1, 1};
        restart(&s, 1);
        cancel(&s, &second, 1);
        rig_wait_output_of(rig, s.mark, 2, "\n2,3\n");
}

static void some_can_be_cancelled(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 9}, some[] = {{1, 2}, {5, 6}, {9, 9}};
        struct gw_submission s = array(BLOCKED, "0-9", &all, 1);
        submit(&s);
        for (uint32_t i = 0; i < 4; i++)
                pid_of(s.mark, i);
        cancel(&s, some, 3);
        for (uint32_t i = 1; i <= 2; i++) {
                struct told t = rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED);
                assert_int_equal(t.reason, GW_REASON_CANCELLED_BY_USER);
                assert_int_equal(t.signal, SIGTERM);
        }
        for (size_t i = 0; i < GW_COUNT(some); i++)
                if (some[i].first > 3)
                        assert_int_equal(
                                rig_wait_task(rig, s.mark, some[i].last, GW_PHASE_ENDED).started_us,
                                0);
        /* One wish says nothing of another. */
        static const struct gw_span later = {3, 3};
        cancel(&s, &later, 1);
        assert_int_equal(rig_wait_task(rig, s.mark, 3, GW_PHASE_ENDED).reason,
                         GW_REASON_CANCELLED_BY_USER);
        /* The next of those that were not named. */
        pid_of(s.mark, 4);
        pid_of(s.mark, 7);
        for (uint32_t i = 0; i < 9; i++)
                if (i < 1 || i == 4 || i > 6) {
                        pid_of(s.mark, i);
                        let_go(s.mark, i);
                        assert_int_equal(rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED).exit_code,
                                         (int)i);
                }
}

/* The wish is on the disk before its shim is told. */
static void a_wish_to_stop_one_task_outlives_the_gateway(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 3}, one = {2, 2};
        struct gw_submission s = array(BLOCKED, "0-3", &all, 1);
        submit(&s);
        for (uint32_t i = 0; i < 4; i++)
                pid_of(s.mark, i);
        rig_close(rig);
        char path[512];
        rig_task_path(rig, s.mark, path);
        strcpy(strrchr(path, '.'), ".cancel");
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        dprintf(fd, "\n000000\n" GW_LOCAL_SPAN_FORMAT "\n\n", one.first, one.last);
        close(fd);
        rig_open(rig);
        rig_lead(rig, &s, 1);
        assert_int_equal(rig_wait_task(rig, s.mark, 2, GW_PHASE_ENDED).reason,
                         GW_REASON_CANCELLED_BY_USER);
        for (uint32_t i = 0; i < 4; i++) {
                let_go(s.mark, i);
                struct told t = rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED);
                if (i != 2)
                        assert_int_equal(t.exit_code, (int)i);
        }
}

static void what_runs_is_taken_over_and_what_ended_is_told(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 9};
        int64_t started[4];
        struct gw_submission s = array(BLOCKED, "0-9", &all, 1);
        submit(&s);
        for (uint32_t i = 0; i < 4; i++)
                pid_of(s.mark, i);
        for (uint32_t i = 0; i < 4; i++)
                started[i] = rig_wait_task(rig, s.mark, i, GW_PHASE_RUNNING).started_us;
        let_go(s.mark, 1);
        rig_wait_task(rig, s.mark, 1, GW_PHASE_ENDED);
        pid_of(s.mark, 4);
        pid_t shim = (pid_t)rig_journal_of(rig, s.mark, 3, "shim");
        rig_close(rig);
        let_go(s.mark, 3); /* while nobody looks */
        rig_wait_dead(shim);
        rig_open(rig);
        rig_lead(rig, &s, 1);
        for (uint32_t i = 0; i < 4; i++) {
                bool ended = i == 1 || i == 3;
                struct told t =
                        rig_wait_task(rig, s.mark, i, ended ? GW_PHASE_ENDED : GW_PHASE_RUNNING);
                assert_int_equal(t.started_us, started[i]);
                assert_int_equal(t.exit_code, ended ? (int)i : -1);
        }
        /* Again, and none ran twice. */
        restart(&s, 1);
        rig_wait_task(rig, s.mark, 1, GW_PHASE_ENDED);
        rig_wait_task(rig, s.mark, 3, GW_PHASE_ENDED);
        pid_of(s.mark, 5);
        gw_autofree char *out = rig_output_of(rig, s.mark, 1, "out");
        assert_null(strstr(out + 1, "pid="));
        cancel(&s, NULL, 0);
        for (uint32_t i = 0; i < 10; i++)
                rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED);
}

static void a_killed_shim_takes_its_own_task_only(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 3};
        struct gw_submission s = array(BLOCKED, "0-3", &all, 1);
        submit(&s);
        for (uint32_t i = 0; i < 4; i++)
                pid_of(s.mark, i);
        kill((pid_t)rig_journal_of(rig, s.mark, 2, "shim"), SIGKILL);
        assert_int_equal(rig_wait_task(rig, s.mark, 2, GW_PHASE_ENDED).reason,
                         GW_REASON_NODE_FAILURE);
        /* And while nobody looks. */
        pid_t shim = (pid_t)rig_journal_of(rig, s.mark, 1, "shim");
        rig_close(rig);
        kill(shim, SIGKILL);
        rig_wait_dead(shim);
        rig_open(rig);
        rig_lead(rig, &s, 1);
        assert_int_equal(rig_wait_task(rig, s.mark, 1, GW_PHASE_ENDED).reason,
                         GW_REASON_NODE_FAILURE);
        assert_false(rig_alive(pid_of(s.mark, 1)));
        let_go(s.mark, 0);
        let_go(s.mark, 3);
        assert_int_equal(rig_wait_task(rig, s.mark, 0, GW_PHASE_ENDED).exit_code, 0);
        assert_int_equal(rig_wait_task(rig, s.mark, 3, GW_PHASE_ENDED).exit_code, 3);
}

/* A record that was cut does not hide those behind it. */
static void a_cut_record_is_its_runs_only(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 3};
        struct gw_submission s = array("{\"command\": [\"echo\", \"ran\"]}", "0-3", &all, 1);
        s.held = true;
        submit(&s);
        rig_close(rig);
        char path[512];
        rig_task_path(rig, s.mark, path);
        FILE *f = fopen(path, "ae");
        assert_non_null(f);
        fprintf(f, GW_LOCAL_RUN_FORMAT "started=12", 2U, 2U);
        fprintf(f, GW_LOCAL_ENDED_FORMAT, 1U, 1U, 7, 0, "exit_code", 5LL, 0LL, 0LL, "words");
        fprintf(f, "\nrun=0000");
        fprintf(f, GW_LOCAL_OVER_FORMAT "exit_code=-1\nsignal=0\nreason=cancelled_b", 0U, 3U);
        fprintf(f, "\nover=0000000000-000000");
        fclose(f);
        rig_open(rig);
        rig_lead(rig, &s, 1);
        struct told t = rig_wait_task(rig, s.mark, 1, GW_PHASE_ENDED);
        assert_int_equal(t.exit_code, 7);
        assert_string_equal(t.raw, "words");
        t = rig_wait_task(rig, s.mark, 2, GW_PHASE_ENDED);
        assert_int_equal(t.reason, GW_REASON_NODE_FAILURE);
        assert_int_equal(t.started_us, 0); /* 12 may be the beginning of it */
        gw_autofree char *out = rig_output_of(rig, s.mark, 2, "out");
        assert_null(out);
        change(&s, false, -1);
        assert_int_equal(rig_wait_task(rig, s.mark, 0, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        assert_int_equal(rig_wait_task(rig, s.mark, 3, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
}

/* An outcome of tasks of which one is held: as by a shim that finds itself too late. */
static void an_outcome_is_of_all_tasks_it_names(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 9};
        struct gw_submission s = array("{\"command\": [\"echo\", \"ran\"]}", "0-9", &all, 1);
        s.held = true;
        submit(&s);
        rig_close(rig);
        char path[512];
        rig_task_path(rig, s.mark, path);
        FILE *f = fopen(path, "ae");
        assert_non_null(f);
        fprintf(f, GW_LOCAL_ENDED_FORMAT, 5U, 5U, 7, 0, "exit_code", 5LL, 0LL, 0LL, "");
        fprintf(f, GW_LOCAL_ENDED_FORMAT, 2U, 8U, -1, 0, "cancelled_by_user", 5LL, 0LL, 0LL, "");
        fclose(f);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = gw_local_run_lock(F_WRLCK, 3, 3);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        rig_open(rig);
        rig_lead(rig, &s, 1);
        for (uint32_t i = 2; i <= 8; i++)
                assert_int_equal(rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED).reason,
                                 i == 5 ? GW_REASON_EXIT_CODE : GW_REASON_CANCELLED_BY_USER);
        close(fd);
        change(&s, false, -1);
        assert_int_equal(rig_wait_task(rig, s.mark, 1, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        assert_int_equal(rig_wait_task(rig, s.mark, 9, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        for (uint32_t i = 2; i <= 8; i++) {
                gw_autofree char *out = rig_output_of(rig, s.mark, i, "out");
                assert_null(out);
        }
}

static void retries_are_a_submission_of_their_own(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 9}, some[] = {{3, 3}, {7, 9}};
        const char *spec = "{\"command\": [\"sh\", \"-c\", \"echo $JOBGATE_TASK_INDEX "
                           "$JOBGATE_ATTEMPT\"]}";
        struct gw_submission s = array(spec, "100-109", &all, 1);
        submit(&s);
        for (uint32_t i = 0; i < 10; i++)
                rig_wait_task(rig, s.mark, i, GW_PHASE_ENDED);
        struct gw_submission again = s;
        again.mark.number = 2;
        again.attempt = 2;
        again.spans = some;
        again.span_count = 2;
        submit(&again);
        static const uint32_t expected[] = {3, 7, 8, 9};
        for (size_t i = 0; i < GW_COUNT(expected); i++) {
                char text[32];
                rig_wait_task(rig, again.mark, expected[i], GW_PHASE_ENDED);
                snprintf(text, sizeof text, "%u 2\n", 100 + expected[i]);
                assert_output(again.mark, expected[i], text);
                snprintf(text, sizeof text, "%u 1\n", 100 + expected[i]);
                assert_output(s.mark, expected[i], text);
        }
        struct told t;
        assert_int_equal(count_told(again.mark, GW_PHASE_ENDED, &t), 4);
        assert_false(rig_last_told_of(rig, again.mark, 4, &t));
}

static void the_rest_can_be_held_and_shortened(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 2};
        struct gw_submission s = array(ALONE, "0-2", &all, 1);
        submit(&s);
        pid_of(s.mark, 0);
        change(&s, true, 1);
        wait_pending(s.mark, 1, GW_REASON_HELD);
        let_go(s.mark, 0);
        assert_int_equal(rig_wait_task(rig, s.mark, 0, GW_PHASE_ENDED).reason, GW_REASON_COMPLETED);
        assert_int_equal(rig_run(rig, "{\"command\": [\"true\"]}").reason, GW_REASON_COMPLETED);
        assert_int_equal(phase_of(s.mark, 1), GW_PHASE_PENDING);
        s.held = true;
        restart(&s, 1);
        wait_pending(s.mark, 2, GW_REASON_HELD);
        change(&s, false, -1);
        assert_int_equal(rig_wait_task(rig, s.mark, 1, GW_PHASE_ENDED).reason,
                         GW_REASON_TIME_LIMIT);
        assert_int_equal(rig_wait_task(rig, s.mark, 2, GW_PHASE_ENDED).reason,
                         GW_REASON_TIME_LIMIT);
}

static bool has_entry(struct gw_mark mark, const char *folder, const char *suffix)
{
        char path[512], text[GW_MARK_TEXT];
        gw_mark_format(mark, text);
        if (strcmp(folder, GW_LOCAL_JOBS) == 0)
                text[GW_LOCAL_JOB_TEXT] = '/';
        snprintf(path, sizeof path, "%s/%s/%s.%s", rig->directory, folder, text, suffix);
        return access(path, F_OK) == 0;
}

static void forgetting_stops_what_runs_and_leaves_nothing_live(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 9};
        pid_t pids[4];
        struct gw_submission s = array(BLOCKED, "0-9", &all, 1);
        submit(&s);
        for (uint32_t i = 0; i < 4; i++)
                pids[i] = pid_of(s.mark, i);
        assert_int_equal(rig->b->type->forget(rig->b, s.mark), 0);
        assert_int_equal(rig_wait_answer(rig, GW_REQUEST_FORGET, s.mark).answer, GW_ANSWER_DONE);
        for (uint32_t i = 0; i < 4; i++)
                rig_wait_dead(pids[i]);
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while (has_entry(s.mark, GW_LOCAL_LIVE, "task") && gw_clock_mono_us() < until)
                rig_pause();
        assert_false(has_entry(s.mark, GW_LOCAL_LIVE, "task"));
        assert_false(has_entry(s.mark, GW_LOCAL_LIVE, "cancel"));
        assert_true(has_entry(s.mark, GW_LOCAL_JOBS, "task"));
        assert_false(has_entry(s.mark, GW_LOCAL_JOBS, "4.out"));
}

static void closed_ones_are_removed(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 9};
        struct gw_submission s = array(BLOCKED, "0-9", &all, 1);
        submit(&s);
        pid_t pid = pid_of(s.mark, 3);
        restart(NULL, 0);
        rig_wait_dead(pid);
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        while (has_entry(s.mark, GW_LOCAL_LIVE, "task") && gw_clock_mono_us() < until)
                rig_pause();
        assert_false(has_entry(s.mark, GW_LOCAL_LIVE, "task"));
        assert_false(has_entry(s.mark, GW_LOCAL_JOBS, "4.out"));
        assert_int_equal(rig->told_count, 0);
}

static void a_lost_array_is_told_of_all_its_tasks(void **state)
{
        (void)state;
        static const struct gw_span some[] = {{0, 4}, {7, 9}};
        struct told t;
        struct gw_submission s = array(BLOCKED, "0-9", some, 2);
        s.held = true;
        submit(&s);
        rig_close(rig);
        char path[512];
        rig_task_path(rig, s.mark, path);
        assert_int_equal(truncate(path, 0), 0);
        rig_open(rig);
        rig_lead(rig, &s, 1);
        assert_int_equal(count_told(s.mark, GW_PHASE_ENDED, &t), 2);
        assert_int_equal(t.reason, GW_REASON_NODE_FAILURE);
        assert_int_equal(t.span.first, 7);
        assert_int_equal(t.span.last, 9);
}

static struct gw_log_source open_log(struct gw_backend *b, struct gw_mark mark, uint32_t ordinal)
{
        struct gw_mailbox home;
        assert_int_equal(gw_mailbox_init(&home, 4), 0);
        struct gw_log_source log = {
                .work = {.home = &home}, .mark = mark, .ordinal = ordinal, .attempt = 1};
        b->type->log(b, &log);
        int64_t until = gw_clock_mono_us() + DEADLINE_S * GW_SECOND;
        struct gw_work *got;
        while (!(got = gw_mailbox_take(&home)) && gw_clock_mono_us() < until)
                rig_pause();
        assert_ptr_equal(got, &log.work);
        gw_mailbox_done(&home);
        if (log.fd >= 0)
                close(log.fd);
        return log;
}

static void each_task_has_its_log(void **state)
{
        (void)state;
        static const struct gw_span all = {0, 9};
        struct gw_submission s = array(ALONE, "0-9", &all, 1);
        submit(&s);
        pid_of(s.mark, 0);
        let_go(s.mark, 0);
        pid_of(s.mark, 1);
        rig_wait_task(rig, s.mark, 1, GW_PHASE_RUNNING);
        struct gw_error err = {0};
        const struct gw_backend_host host = {.self = rig};
        struct gw_backend *other = rig->b->type->open("other", rig->settings, &host, &err);
        assert_non_null(other);
        struct gw_backend *both[] = {rig->b, other};
        for (size_t i = 0; i < GW_COUNT(both); i++) {
                struct gw_log_source log = open_log(both[i], s.mark, 0);
                assert_true(log.fd >= 0);
                assert_true(log.complete);
                log = open_log(both[i], s.mark, 1);
                assert_true(log.fd >= 0);
                assert_false(log.complete);
                log = open_log(both[i], s.mark, 2);
                assert_int_equal(log.error.code, GW_ERR_NOT_FOUND);
        }
        other->type->close(other);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(tasks_run_in_the_order_of_their_ordinals),
                TEST(each_task_has_its_values),
                TEST(values_that_are_too_long_fail_their_task),
                TEST(what_the_array_has_not_is_refused),
                TEST(what_waits_is_told_as_spans),
                TEST(many_spans_are_told_in_batches),
                TEST(what_does_not_fit_blocks_those_behind),
                TEST(gpus_are_given_to_each_task),
                TEST(some_can_be_cancelled),
                TEST(a_wish_to_stop_one_task_outlives_the_gateway),
                TEST(what_runs_is_taken_over_and_what_ended_is_told),
                TEST(a_killed_shim_takes_its_own_task_only),
                TEST(a_cut_record_is_its_runs_only),
                TEST(an_outcome_is_of_all_tasks_it_names),
                TEST(retries_are_a_submission_of_their_own),
                TEST(the_rest_can_be_held_and_shortened),
                TEST(forgetting_stops_what_runs_and_leaves_nothing_live),
                TEST(closed_ones_are_removed),
                TEST(a_lost_array_is_told_of_all_its_tasks),
                TEST(each_task_has_its_log),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
