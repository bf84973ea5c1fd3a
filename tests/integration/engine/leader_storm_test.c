/*
 * Leaders that lose their database again and again, and a backend that plays a scheduler: each
 * job still runs once, none is lost, and each ends as it ended there.
 *
 * The scheduler's thread takes what the leaders ask for, and answers some of it late, so that a
 * leader is gone by then. It knows what it took by its mark, as a real one does.
 */
#include "tests/integration/engine/stage.h"

#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"

#define JOBS 200
#define STORMS 20

/* ---- the scheduler ------------------------------------------------------------------------- */

struct task {
        struct gw_mark mark;
        enum gw_phase phase; /* PENDING, RUNNING, ENDED */
        bool told, forgotten;
};

static struct {
        struct gw_backend base;
        struct gw_backend_host host;
        pthread_mutex_t lock;
        pthread_t thread;
        bool stop, sync;
        uint64_t epoch, seen;
        struct task tasks[4 * JOBS];
        size_t count;
        struct {
                enum gw_request request;
                struct gw_mark mark;
                uint64_t epoch;
        } asked[16 * JOBS];
        size_t asked_count;
} there;

static struct task *find(struct gw_mark mark)
{
        for (size_t i = 0; i < there.count; i++)
                if (gw_id_equal(there.tasks[i].mark.job, mark.job) &&
                    there.tasks[i].mark.number == mark.number)
                        return &there.tasks[i];
        return NULL;
}

/* The lock is held. A full queue is an answer, too. */
static int queue(enum gw_request request, struct gw_mark mark)
{
        if (there.asked_count == GW_COUNT(there.asked))
                return -1;
        there.asked[there.asked_count].request = request;
        there.asked[there.asked_count].mark = mark;
        there.asked[there.asked_count++].epoch = there.epoch;
        return 0;
}

static int ask(enum gw_request request, struct gw_mark mark)
{
        pthread_mutex_lock(&there.lock);
        int rc = queue(request, mark);
        pthread_mutex_unlock(&there.lock);
        return rc;
}

static int on_submit(struct gw_backend *b, const struct gw_submission *s)
{
        (void)b;
        return ask(GW_REQUEST_SUBMIT, s->mark);
}

static int on_resolve(struct gw_backend *b, const struct gw_submission *s)
{
        (void)b;
        return ask(GW_REQUEST_RESOLVE, s->mark);
}

static int on_cancel(struct gw_backend *b, struct gw_mark mark, const struct gw_span *spans,
                     size_t count)
{
        (void)b;
        (void)spans;
        (void)count;
        return ask(GW_REQUEST_CANCEL, mark);
}

static int on_forget(struct gw_backend *b, struct gw_mark mark)
{
        (void)b;
        return ask(GW_REQUEST_FORGET, mark);
}

static void on_lead(struct gw_backend *b, uint64_t epoch, const struct gw_submission *live,
                    size_t count, const char *cursor)
{
        (void)b;
        (void)live;
        (void)count;
        (void)cursor;
        pthread_mutex_lock(&there.lock);
        there.epoch = epoch;
        there.seen = 0;
        there.sync = true;
        for (size_t i = 0; i < there.count; i++)
                there.tasks[i].told = false;
        pthread_mutex_unlock(&there.lock);
}

/* What is queued stays: it is answered under the epoch it was asked in. */
static void on_yield(struct gw_backend *b)
{
        (void)b;
}

static const struct gw_backend_type type = {
        .name = "scheduler",
        .lead = on_lead,
        .yield = on_yield,
        .submit = on_submit,
        .resolve = on_resolve,
        .cancel = on_cancel,
        .forget = on_forget,
        .resume = on_yield,
};

static enum gw_answer take(enum gw_request request, struct gw_mark mark)
{
        struct task *t = find(mark);
        switch (request) {
        case GW_REQUEST_SUBMIT:
                if (!t)
                        there.tasks[there.count++] = (struct task){.mark = mark};
                return GW_ANSWER_DONE;
        case GW_REQUEST_FORGET:
                if (t)
                        t->forgotten = true;
                return GW_ANSWER_DONE;
        default:
                return t ? GW_ANSWER_DONE : GW_ANSWER_ABSENT;
        }
}

/* A hand-over of an epoch that is over is dropped, as the contract says. The lock is held, and
 * given up to speak. */
static void take_one(size_t i)
{
        enum gw_request request = there.asked[i].request;
        struct gw_mark mark = there.asked[i].mark;
        uint64_t epoch = there.asked[i].epoch;
        if (epoch != there.epoch && request == GW_REQUEST_SUBMIT)
                return;
        enum gw_answer a = take(request, mark);
        pthread_mutex_unlock(&there.lock);
        there.host.answer(there.host.self, epoch, request, mark, a, NULL, NULL, 0);
        pthread_mutex_lock(&there.lock);
}

static void go_on(struct task *t)
{
        bool news = t->phase != GW_PHASE_ENDED;
        if (t->phase == GW_PHASE_PENDING)
                t->phase = GW_PHASE_RUNNING;
        else if (t->phase == GW_PHASE_RUNNING)
                t->phase = GW_PHASE_ENDED;
        if (t->forgotten || (t->told && !news))
                return;
        struct gw_fact f = {
                .mark = t->mark,
                .seen = ++there.seen,
                .phase = t->phase,
                .reason = t->phase == GW_PHASE_ENDED ? GW_REASON_EXIT_CODE : GW_REASON_NONE,
                .exit_code = t->phase == GW_PHASE_ENDED ? 1 + t->mark.job.bytes[15] % 100 : -1};
        t->told = there.host.facts(there.host.self, there.epoch, &f, 1) == 0;
}

static void *schedule(void *arg)
{
        (void)arg;
        pthread_mutex_lock(&there.lock);
        while (!there.stop) {
                size_t count = there.asked_count;
                for (size_t i = 0; i < count; i++)
                        take_one(i);
                memmove(there.asked, there.asked + count,
                        (there.asked_count - count) * sizeof there.asked[0]);
                there.asked_count -= count;
                bool all = there.epoch != 0;
                for (size_t i = 0; there.epoch && i < there.count; i++) {
                        go_on(&there.tasks[i]);
                        all = all && (there.tasks[i].told || there.tasks[i].forgotten);
                }
                if (there.sync && all)
                        there.sync = there.host.synced(there.host.self, there.epoch, ++there.seen,
                                                       gw_clock_wall_us(), NULL) != 0;
                pthread_mutex_unlock(&there.lock);
                test_pause(INT64_MAX);
                pthread_mutex_lock(&there.lock);
        }
        pthread_mutex_unlock(&there.lock);
        return NULL;
}

/* ---- the test -------------------------------------------------------------------------------- */

static size_t runs_of(struct gw_id job)
{
        size_t runs = 0;
        for (size_t i = 0; i < there.count; i++)
                runs += gw_id_equal(there.tasks[i].mark.job, job);
        return runs;
}

static void strike(void)
{
        test_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
                  " 'jobgate leader' AND datname = current_database()");
}

static void a_storm(void **state)
{
        (void)state;
        struct gw_error err = {0};
        struct gw_leader_settings settings = {
                .conninfo = conninfo, .holder = "test:1", .window = 50};
        struct gw_leader *l = gw_leader_new(&settings, &err);
        assert_non_null(l);
        there.base = (struct gw_backend){.type = &type, .name = "test"};
        there.host = gw_leader_host(l);
        pthread_mutex_init(&there.lock, NULL);
        assert_int_equal(pthread_create(&there.thread, NULL, schedule, NULL), 0);
        assert_int_equal(gw_leader_start(l, &there.base, &err), 0);
        struct gw_id ids[JOBS];
        for (int i = 0; i < JOBS; i++) {
                ids[i] = test_submit(project, SPEC);
                if (i % (JOBS / STORMS) == 0)
                        strike();
                if (i % 7 == 0)
                        gw_leader_hint(l);
        }
        for (int i = 0; i < JOBS; i++) {
                struct test_job j = {0};
                int64_t deadline = test_deadline_ms(60000);
                while (!gw_state_terminal(j.state)) {
                        gw_leader_hint(l);
                        test_pause(deadline);
                        j = test_read(ids[i]);
                }
                assert_int_equal(j.state, GW_FAILED);
                assert_string_equal(j.reason, "exit_code");
                assert_int_equal(j.exit_code, 1 + ids[i].bytes[15] % 100);
                if (i % 50 == 0)
                        strike();
        }
        gw_leader_stop(l);
        pthread_mutex_lock(&there.lock);
        there.stop = true;
        pthread_mutex_unlock(&there.lock);
        pthread_join(there.thread, NULL);
        gw_leader_free(l);
        for (int i = 0; i < JOBS; i++)
                assert_int_equal(runs_of(ids[i]), 1);
        assert_int_equal(there.count, JOBS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(a_storm)};
        stage_build("gw_leader_storm_test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
