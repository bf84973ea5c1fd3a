/* What is known of a submission from the moment slurmctld has taken it. */
#include "backends/slurm/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define NUMBER 7
#define UID 1001

static const struct gw_mark mark = {.number = 1};

struct place {
        struct gw_slurm *backend;
        struct gw_slurm_job *job;
        int agent; /* its end of the link */
        enum gw_answer answered;
};

static void on_answer(void *self, uint64_t epoch, enum gw_request request, struct gw_mark of,
                      enum gw_answer answer, const char *ref, const char *raw, int64_t retry_at)
{
        struct place *p = self;
        (void)epoch, (void)request, (void)of, (void)ref, (void)raw, (void)retry_at;
        p->answered = answer;
}

static void on_offer(void *self, const char *offer, bool reachable)
{
        (void)self, (void)offer, (void)reachable;
}

/* A submission is on its way, and an agent watches. */
static void begin(struct place *p)
{
        static const struct gw_slurm_job_settings settings = {.user = "ada", .uid = UID};
        int pair[2];
        *p = (struct place){.backend = calloc(1, sizeof *p->backend)};
        assert_non_null(p->backend);
        TAILQ_INIT(&p->backend->report);
        p->backend->host =
                (struct gw_backend_host){.self = p, .answer = on_answer, .describe = on_offer};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        p->backend->watch.fd = pair[0];
        gw_buf_init(&p->backend->watch.out, GW_FRAME_MAX);
        p->agent = pair[1];
        assert_int_equal(fcntl(p->agent, F_SETFL, O_NONBLOCK), 0);
        p->job = gw_slurm_job_add(p->backend, mark, &settings);
        assert_non_null(p->job);
}

static void end(struct place *p)
{
        gw_slurm_jobs_clear(p->backend);
        if (gw_link_is_open(&p->backend->watch)) {
                gw_link_close(&p->backend->watch);
        } else {
                gw_buf_done(&p->backend->watch.out);
                close(p->backend->watch.fd);
        }
        close(p->agent);
        free(p->backend);
}

/* What the agent was sent, the caller's; NULL: nothing. */
static json_t *sent(struct place *p)
{
        char piece[1024];
        struct gw_frames in;
        json_t *object = NULL;
        ssize_t n = read(p->agent, piece, sizeof piece);
        gw_frames_init(&in);
        if (n > 0) {
                assert_int_equal(gw_frames_add(&in, piece, (size_t)n, NULL), 0);
                assert_int_equal(gw_frames_next(&in, &object, NULL), 0);
        }
        gw_frames_done(&in);
        return object;
}

static void what_has_a_number_is_missed_where_a_table_lacks_it(void **state)
{
        struct place p;
        (void)state;
        begin(&p);
        assert_false(p.job->tasks.changed);
        gw_slurm_job_number(p.backend, p.job, NUMBER);
        assert_true(p.job->tasks.changed);
        end(&p);
}

static void the_agent_knows_what_was_taken(void **state)
{
        const struct gw_backend_ask submit = {.kind = GW_ASK_SUBMIT, .mark = mark};
        const struct gw_slurm_submitted taken = {.verdict = GW_ANSWER_DONE, .number = NUMBER};
        struct place p;
        (void)state;
        begin(&p);
        gw_slurm_submitted(p.backend, &submit, "ada", &taken);
        assert_int_equal(p.answered, GW_ANSWER_DONE);
        json_auto_t *told = sent(&p);
        json_auto_t *wanted =
                json_pack("{s:i, s:s, s:[[i, i]]}", "id", 0, "op", "know", "jobs", NUMBER, UID);
        assert_true(told && json_equal(told, wanted));
        end(&p);
}

static void only_what_has_not_ended_is_looked_for(void **state)
{
        static const struct gw_span whole = {0, 9}, open = {4, 5};
        static const struct gw_mark array = {.number = 2};
        const struct gw_slurm_job_settings settings = {.user = "ada",
                                                       .uid = UID,
                                                       .index_set = "0-9",
                                                       .spans = &whole,
                                                       .span_count = 1,
                                                       .open = &open,
                                                       .open_count = 1};
        struct place p;
        (void)state;
        begin(&p);
        struct gw_slurm_job *job = gw_slurm_job_add(p.backend, array, &settings);
        assert_non_null(job);
        assert_int_equal(gw_spans_total(&job->array.ordinals), 10);
        assert_int_equal(gw_spans_total(&job->tasks.waiting), 2);
        end(&p);
}

/* A site may change MaxArraySize while they live. */
static void tasks_are_numbered_as_when_they_were_submitted(void **state)
{
        static const struct gw_span whole = {0, 9};
        struct place p;
        (void)state;
        begin(&p);
        p.backend->max_array_size = 20;
        for (uint32_t most = 10; most <= 40; most += 10) {
                const struct gw_mark array = {.number = most};
                const struct gw_slurm_job_settings settings = {.user = "ada",
                                                               .uid = UID,
                                                               .index_set = "20-29",
                                                               .most_tasks = most,
                                                               .spans = &whole,
                                                               .span_count = 1};
                struct gw_slurm_job *job = gw_slurm_job_add(p.backend, array, &settings);
                uint32_t ordinal = 0;
                assert_non_null(job);
                assert_int_equal(gw_slurm_array_ordinal(&job->array, most < 30 ? 5 : 25, &ordinal),
                                 0);
                assert_int_equal(ordinal, 5);
        }
        end(&p);
}

/* The record of an older release does not have the limit: it was the cluster's. */
static void tasks_without_a_limit_on_record_are_numbered_by_the_clusters(void **state)
{
        static const struct gw_span whole = {0, 9};
        const struct gw_slurm_job_settings settings = {
                .user = "ada", .uid = UID, .index_set = "20-29", .spans = &whole, .span_count = 1};
        struct place p;
        uint32_t ordinal = 0;
        (void)state;
        begin(&p);
        struct gw_slurm_job *job =
                gw_slurm_job_add(p.backend, (struct gw_mark){.number = 7}, &settings);
        assert_non_null(job);
        gw_slurm_jobs_limit(p.backend, 25);
        gw_slurm_jobs_limit(p.backend, 100);
        assert_int_equal(gw_slurm_array_ordinal(&job->array, 5, &ordinal), 0);
        assert_int_equal(ordinal, 5);
        end(&p);
}

/* The link is that of a child, which it ends. */
static void attend(struct place *p)
{
        struct gw_slurm *b = p->backend;
        b->watch.pid = fork();
        assert_true(b->watch.pid >= 0);
        for (; b->watch.pid == 0;)
                pause();
        b->watch.errors_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        gw_frames_init(&b->watch.in);
        assert_int_equal(fcntl(b->watch.fd, F_SETFL, O_NONBLOCK), 0);
        b->watch_ends_at = b->offer_at = INT64_MAX;
        b->heard_at = gw_clock_mono_us();
}

/* The agent says these jobs. */
static void table(struct place *p, json_t *jobs)
{
        json_auto_t *frame = json_pack("{s:i, s:i, s:i, s:o, s:[]}", "table", 1, "asked_at", 1,
                                       "now", 1, "jobs", jobs, "gone");
        struct gw_buf out = GW_BUF_INIT(GW_FRAME_MAX);
        gw_frame_put(&out, frame);
        assert_true(gw_buf_ok(&out));
        assert_int_equal(write(p->agent, out.data, out.len), out.len);
        gw_buf_done(&out);
        gw_slurm_watch_serve(p->backend);
}

static struct gw_slurm_job *add(struct place *p, const char *text, char comment[64])
{
        const struct gw_slurm_job_settings settings = {.user = "ada", .uid = UID};
        struct gw_mark its;
        assert_int_equal(gw_mark_parse(text, &its), 0);
        snprintf(comment, 64, "jobgate:%s", text);
        struct gw_slurm_job *job = gw_slurm_job_add(p->backend, its, &settings);
        assert_non_null(job);
        return job;
}

/* Its owner rewrote the comment into that of one that is on its way. */
static void a_number_goes_before_a_mark(void **state)
{
        char first[64], second[64];
        struct place p;
        (void)state;
        begin(&p);
        attend(&p);
        struct gw_slurm_job *job = add(&p, "018bcfe5-6800-7000-8000-000000000001.1", first);
        struct gw_slurm_job *other = add(&p, "018bcfe5-6800-7000-8000-000000000002.1", second);
        table(&p, json_pack("[{s:i, s:i, s:s, s:i}]", "job", NUMBER, "uid", UID, "comment", first,
                            "submit", 1700000000));
        assert_int_equal(job->number, NUMBER);
        table(&p, json_pack("[{s:i, s:i, s:s, s:i, s:i}]", "job", NUMBER, "uid", UID, "comment",
                            second, "submit", 1700000000, "state", 1));
        assert_int_equal(job->number, NUMBER);
        assert_int_equal(job->tasks.items[0]->view.phase, GW_PHASE_RUNNING);
        assert_int_equal(other->number, 0);
        /* The numbers began anew. */
        table(&p, json_pack("[{s:i, s:i, s:s, s:i}]", "job", NUMBER, "uid", UID, "comment", second,
                            "submit", 1700000009));
        assert_int_equal(other->number, NUMBER);
        assert_ptr_equal(gw_slurm_job_numbered(p.backend, NUMBER), other);
        assert_false(gw_slurm_job_is_there(job));
        assert_int_equal(job->quest.step, GW_SLURM_LOOK);
        end(&p);
}

/* A controller that lost its state gave it to a job of nobody's here: what accounting has of both
 * is told apart by the time of the submit. */
static void a_number_that_was_given_anew_is_not_the_jobs_any_more(void **state)
{
        char comment[64];
        struct place p;
        struct gw_slurm_record r = {.job = NUMBER, .uid = UID, .state = 3, .submit_s = 1700000009};
        (void)state;
        begin(&p);
        attend(&p);
        struct gw_slurm_job *job = add(&p, "018bcfe5-6800-7000-8000-000000000001.1", comment);
        table(&p, json_pack("[{s:i, s:i, s:s, s:i}]", "job", NUMBER, "uid", UID, "comment", comment,
                            "submit", 1700000000));
        assert_true(gw_slurm_job_is_there(job));
        table(&p, json_pack("[{s:i, s:i, s:s, s:i}]", "job", NUMBER, "uid", UID, "comment", "x",
                            "submit", 1700000009));
        assert_false(gw_slurm_job_is_there(job));
        assert_int_equal(job->quest.step, GW_SLURM_LOOK);
        assert_false(gw_slurm_is_of(p.backend, job, &r));
        r.submit_s = 1700000000;
        assert_true(gw_slurm_is_of(p.backend, job, &r));
        gw_slurm_take(p.backend, job, &r);
        assert_int_equal(job->tasks.items[0]->view.phase, GW_PHASE_ENDED);
        assert_null(gw_slurm_task_numbered(p.backend, NUMBER));
        end(&p);
}

/* The time of its own submit is not known, for it was taken over: what came when its number had
 * been given anew is not its own, whether accounting keeps the mark or not. */
static void of_a_number_given_anew_what_was_before_is_the_jobs(void **state)
{
        char comment[64];
        struct place p;
        struct gw_slurm_record r = {.job = NUMBER, .uid = UID, .state = 3, .submit_s = 1700000009};
        (void)state;
        begin(&p);
        struct gw_slurm_job *job = add(&p, "018bcfe5-6800-7000-8000-000000000001.1", comment);
        job->send_before_us = r.submit_s * GW_SECOND;
        gw_slurm_job_number(p.backend, job, NUMBER);
        assert_true(gw_slurm_is_of(p.backend, job, &r));
        gw_slurm_job_displace(p.backend, job, r.submit_s);
        assert_false(gw_slurm_is_of(p.backend, job, &r));
        r.submit_s -= 9;
        assert_true(gw_slurm_is_of(p.backend, job, &r));
        end(&p);
}

/* The submits of both are not known: nobody can say whose a record without a mark is. */
static void a_record_of_a_shared_number_is_taken_from_neither(void **state)
{
        char comment[64];
        struct place p;
        struct gw_slurm_record r = {.job = NUMBER, .uid = UID, .state = 3, .submit_s = 1700000000};
        (void)state;
        begin(&p);
        struct gw_slurm_job *first = add(&p, "018bcfe5-6800-7000-8000-000000000001.1", comment);
        struct gw_slurm_job *second = add(&p, "018bcfe5-6800-7000-8000-000000000002.1", comment);
        first->send_before_us = second->send_before_us = r.submit_s * GW_SECOND;
        gw_slurm_job_number(p.backend, first, NUMBER);
        assert_true(gw_slurm_is_of(p.backend, first, &r));
        gw_slurm_job_number(p.backend, second, NUMBER);
        assert_false(gw_slurm_is_of(p.backend, first, &r));
        assert_false(gw_slurm_is_of(p.backend, second, &r));
        second->submit_s = r.submit_s + 5;
        assert_true(gw_slurm_is_of(p.backend, first, &r));
        end(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_has_a_number_is_missed_where_a_table_lacks_it),
                cmocka_unit_test(the_agent_knows_what_was_taken),
                cmocka_unit_test(only_what_has_not_ended_is_looked_for),
                cmocka_unit_test(tasks_are_numbered_as_when_they_were_submitted),
                cmocka_unit_test(tasks_without_a_limit_on_record_are_numbered_by_the_clusters),
                cmocka_unit_test(a_number_goes_before_a_mark),
                cmocka_unit_test(a_number_that_was_given_anew_is_not_the_jobs_any_more),
                cmocka_unit_test(of_a_number_given_anew_what_was_before_is_the_jobs),
                cmocka_unit_test(a_record_of_a_shared_number_is_taken_from_neither),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
