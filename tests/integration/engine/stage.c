/* See stage.h. */
#include "tests/integration/engine/stage.h"

#include "server/base/cleanup.h"
#include "server/base/log.h"

static struct scripted *scripted_of(struct gw_backend *b)
{
        return (struct scripted *)(void *)b;
}

static int note(struct gw_backend *b, struct call call)
{
        struct scripted *s = scripted_of(b);
        pthread_mutex_lock(&s->lock);
        s->early += !s->led;
        if (s->made < MAX_CALLS)
                s->calls[s->made++] = call;
        pthread_mutex_unlock(&s->lock);
        return 0;
}

static void write_spans(char *out, size_t size, const struct gw_span *spans, size_t count)
{
        struct gw_buf text = GW_BUF_INIT(1 << 20);
        struct gw_spans all = {.items = (struct gw_span *)(uintptr_t)spans, .count = count};
        gw_spans_format(&all, &text);
        snprintf(out, size, "%s", gw_buf_ok(&text) && text.data ? text.data : "");
        gw_buf_done(&text);
}

static int note_submission(struct gw_backend *b, enum gw_request request,
                           const struct gw_submission *s)
{
        struct call c = {.request = request,
                         .mark = s->mark,
                         .held = s->held,
                         .send_before = s->send_before,
                         .most_tasks = s->most_tasks,
                         .attempt = s->attempt,
                         .max_parallel = s->max_parallel};
        write_spans(c.spans, sizeof c.spans, s->spans, s->span_count);
        return note(b, c);
}

static int do_submit(struct gw_backend *b, const struct gw_submission *s)
{
        return note_submission(b, GW_REQUEST_SUBMIT, s);
}

static int do_resolve(struct gw_backend *b, const struct gw_submission *s)
{
        return note_submission(b, GW_REQUEST_RESOLVE, s);
}

static int do_cancel(struct gw_backend *b, struct gw_mark mark, const struct gw_span *spans,
                     size_t count)
{
        struct call c = {.request = GW_REQUEST_CANCEL, .mark = mark};
        write_spans(c.spans, sizeof c.spans, spans, count);
        return note(b, c);
}

static int do_change(struct gw_backend *b, struct gw_mark mark, int held, int64_t time_limit_s,
                     uint32_t max_parallel)
{
        (void)time_limit_s;
        return note(b, (struct call){.request = GW_REQUEST_CHANGE,
                                     .mark = mark,
                                     .held = held > 0,
                                     .says_held = held >= 0,
                                     .max_parallel = max_parallel});
}

static int do_forget(struct gw_backend *b, struct gw_mark mark)
{
        return note(b, (struct call){.request = GW_REQUEST_FORGET, .mark = mark});
}

static void do_lead(struct gw_backend *b, uint64_t epoch, const struct gw_submission *live,
                    size_t count, const char *cursor)
{
        struct scripted *s = scripted_of(b);
        (void)cursor;
        pthread_mutex_lock(&s->lock);
        s->epoch = epoch;
        s->leads++;
        s->led = true;
        s->live_count = count;
        for (size_t i = 0; i < count && i < GW_COUNT(s->live); i++) {
                s->live[i] = live[i].mark;
                s->accepted[i] = live[i].accepted;
                s->made_for[i] = live[i].most_tasks;
                write_spans(s->begun[i], sizeof s->begun[i], live[i].begun, live[i].begun_count);
                write_spans(s->open[i], sizeof s->open[i], live[i].open, live[i].open_count);
        }
        pthread_mutex_unlock(&s->lock);
}

static void do_nothing(struct gw_backend *b)
{
        (void)b;
}

static const struct gw_backend_type scripted_type = {
        .name = "scripted",
        .lead = do_lead,
        .yield = do_nothing,
        .submit = do_submit,
        .resolve = do_resolve,
        .cancel = do_cancel,
        .change = do_change,
        .forget = do_forget,
        .resume = do_nothing,
};

static uint32_t most_tasks(const struct gw_backend *b)
{
        return atomic_load(&scripted_of((struct gw_backend *)(uintptr_t)b)->most_tasks);
}

static const struct gw_backend_type whole_type = {
        .name = "scripted",
        .whole_arrays = true,
        .most_tasks = most_tasks,
        .lead = do_lead,
        .yield = do_nothing,
        .submit = do_submit,
        .resolve = do_resolve,
        .cancel = do_cancel,
        .change = do_change,
        .forget = do_forget,
        .resume = do_nothing,
};

/* ---- the stage ------------------------------------------------------------------------------ */

const char *conninfo;
int64_t project;
struct scripted backend;
struct gw_leader *leader;

void stage_build(const char *database)
{
        gw_log_init(GW_LOG_ERROR, 2);
        conninfo = test_database(database);
        project = test_project("vision");
}

struct gw_leader *start_leader(struct scripted *s, unsigned window)
{
        struct gw_error err = {0};
        struct gw_leader_settings settings = {
                .conninfo = conninfo, .holder = "test:1", .window = window};
        struct gw_leader *l = gw_leader_new(&settings, &err);
        assert_non_null(l);
        pthread_mutex_lock(&s->lock);
        s->host = gw_leader_host(l);
        s->led = false;
        pthread_mutex_unlock(&s->lock);
        assert_int_equal(gw_leader_start(l, &s->base, &err), 0);
        return l;
}

void await_lead(struct gw_leader *l)
{
        int64_t deadline = test_deadline_ms(10000);
        while (!gw_leader_leads(l))
                test_pause(deadline);
}

void end_leader(struct gw_leader *l)
{
        gw_leader_stop(l);
        gw_leader_free(l);
}

void init_backend(struct scripted *s)
{
        *s = (struct scripted){.base = {.type = &scripted_type, .name = "test"},
                               .lock = PTHREAD_MUTEX_INITIALIZER};
}

int stage_begin(void **state)
{
        (void)state;
        test_exec("DELETE FROM jobs; DELETE FROM submissions; DELETE FROM attempts;"
                  " DELETE FROM timers; DELETE FROM tasks; DELETE FROM task_wishes;"
                  " DELETE FROM dead_wishes");
        init_backend(&backend);
        leader = start_leader(&backend, 64);
        await_lead(leader);
        return 0;
}

int stage_end(void **state)
{
        (void)state;
        end_leader(leader);
        assert_int_equal(backend.early, 0);
        return 0;
}

void take_whole_arrays(uint32_t most)
{
        end_leader(leader);
        backend.base.type = &whole_type;
        atomic_store(&backend.most_tasks, most);
        leader = start_leader(&backend, 64);
        await_lead(leader);
}

void restart_leader(unsigned window)
{
        end_leader(leader);
        leader = start_leader(&backend, window);
        await_lead(leader);
}

unsigned leads(void)
{
        pthread_mutex_lock(&backend.lock);
        unsigned n = backend.leads;
        pthread_mutex_unlock(&backend.lock);
        return n;
}

struct call await_call(enum gw_request request)
{
        int64_t deadline = test_deadline_ms(10000);
        for (;;) {
                struct call c;
                pthread_mutex_lock(&backend.lock);
                bool there = backend.taken < backend.made;
                if (there)
                        c = backend.calls[backend.taken++];
                pthread_mutex_unlock(&backend.lock);
                if (there) {
                        assert_int_equal(c.request, request);
                        return c;
                }
                gw_leader_hint(leader);
                test_pause(deadline);
        }
}

void skip_call(enum gw_request request)
{
        pthread_mutex_lock(&backend.lock);
        if (backend.taken < backend.made && backend.calls[backend.taken].request == request)
                backend.taken++;
        pthread_mutex_unlock(&backend.lock);
}

size_t calls_made(void)
{
        pthread_mutex_lock(&backend.lock);
        size_t n = backend.made - backend.taken;
        pthread_mutex_unlock(&backend.lock);
        return n;
}

void answer(struct call c, enum gw_answer a)
{
        backend.host.answer(backend.host.self, backend.epoch, c.request, c.mark, a,
                            a == GW_ANSWER_DONE ? "ref-1" : NULL,
                            a == GW_ANSWER_REFUSED ? "no such thing" : NULL, 0);
}

void tell_fact(const struct gw_fact *f)
{
        assert_int_equal(backend.host.facts(backend.host.self, backend.epoch, f, 1), 0);
}

void tell(struct gw_mark mark, enum gw_phase phase, enum gw_reason reason, int exit_code)
{
        tell_tasks(mark, 0, 0, phase, reason, exit_code);
}

void tell_tasks(struct gw_mark mark, uint32_t first, uint32_t last, enum gw_phase phase,
                enum gw_reason reason, int exit_code)
{
        struct gw_fact f = {.mark = mark,
                            .span = {first, last},
                            .seen = ++backend.seen,
                            .phase = phase,
                            .reason = reason,
                            .exit_code = exit_code,
                            .started_us = phase == GW_PHASE_PENDING ? 0 : gw_clock_wall_us(),
                            .ended_us = phase == GW_PHASE_ENDED ? gw_clock_wall_us() : 0,
                            .node = "node1"};
        tell_fact(&f);
}

void tell_synced(int64_t asked_at)
{
        assert_int_equal(
                backend.host.synced(backend.host.self, backend.epoch, backend.seen, asked_at, NULL),
                0);
}

struct gw_mark handed_over(struct gw_id id)
{
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(gw_id_equal(c.mark.job, id));
        answer(c, GW_ANSWER_DONE);
        test_await(id, GW_PENDING, "");
        return c.mark;
}

struct gw_mark running(struct gw_id id)
{
        struct gw_mark mark = handed_over(id);
        tell(mark, GW_PHASE_RUNNING, GW_REASON_NONE, -1);
        test_await(id, GW_RUNNING, "");
        return mark;
}

/* ---- arrays --------------------------------------------------------------------------------- */

void ask_job(struct gw_id id, const char *expression, char *out, size_t size)
{
        char sql[1024], text[GW_ID_TEXT];
        gw_id_format(id, text);
        snprintf(sql, sizeof sql, "SELECT 0, (%s)::text FROM jobs j WHERE j.id = '%s'", expression,
                 text);
        test_text(sql, out, size);
}

void await_text(struct gw_id id, const char *expression, const char *wanted)
{
        int64_t deadline = test_deadline_ms(10000);
        char found[512];
        for (;;) {
                ask_job(id, expression, found, sizeof found);
                if (strcmp(found, wanted) == 0)
                        return;
                if (test_now_ms() > deadline)
                        fail_msg("%s is %s, not %s", expression, found, wanted);
                test_pause(deadline + 1000);
        }
}

struct gw_mark part(struct gw_id id, const char *spans)
{
        struct call c = await_call(GW_REQUEST_SUBMIT);
        assert_true(gw_id_equal(c.mark.job, id));
        assert_string_equal(c.spans, spans);
        answer(c, GW_ANSWER_DONE);
        return c.mark;
}
