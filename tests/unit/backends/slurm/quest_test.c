/* Asking for what the table does not tell. The worker is this program itself: its controller knows
 * nothing, and its accounting says of each task that it is asked for how it ended. */
#include "backends/slurm/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/slurm/protocol.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define NUMBER 7
#define UID 1001
#define TASKS 2500  /* of even indices: several questions */
#define TOP 4998    /* the highest of them */
#define ROUNDS 1000 /* before it has failed */

static char self[4096];

/* ---- the worker ------------------------------------------------------------------------------ */

static void say(json_t *object)
{
        struct gw_buf out = GW_BUF_INIT(GW_FRAME_MAX + 4);
        gw_frame_put(&out, object);
        if (write(GW_LINK_FD, out.data, out.len) != (ssize_t)out.len)
                _exit(9);
        gw_buf_done(&out);
        json_decref(object);
}

/* As much as was asked for, and not a task more. */
static json_t *accounts(json_int_t from)
{
        json_t *jobs = json_array();
        for (json_int_t task = from; task < from + GW_SLURM_ACCOUNT_TASKS && task <= TOP; task += 2)
                json_array_append_new(jobs, json_pack("{s:I, s:i, s:I, s:i, s:i, s:i}", "job",
                                                      NUMBER + 1 + task, "array", NUMBER, "task",
                                                      task, "state", 3, "uid", UID, "submit", 100));
        return jobs;
}

static void answer(const json_t *request)
{
        const char *op = json_string_value(json_object_get(request, "op"));
        const json_t *from = json_object_get(request, "from");
        bool account = strcmp(op, "account") == 0;
        if (!from)
                _exit(7);
        say(json_pack("{s:O, s:s, s:o}", "id", json_object_get(request, "id"), "outcome", "done",
                      "jobs", account ? accounts(json_integer_value(from)) : json_array()));
}

static int work(void)
{
        char piece[4096];
        ssize_t n;
        struct gw_frames in;
        gw_frames_init(&in);
        say(json_pack("{s:s}", "hello", "22.05.8"));
        while ((n = read(GW_LINK_FD, piece, sizeof piece)) > 0) {
                json_t *request;
                if (gw_frames_add(&in, piece, (size_t)n, NULL))
                        return 8;
                while (gw_frames_next(&in, &request, NULL) == 0 && request) {
                        answer(request);
                        json_decref(request);
                }
        }
        return 0;
}

/* ---- the gateway ----------------------------------------------------------------------------- */

static struct gw_slurm *begin(void)
{
        struct gw_slurm_workers_settings settings = {
                .credential = {self, "conf", "key", 3}, .token_life_s = 3600, .most = 1};
        struct gw_slurm *b = calloc(1, sizeof *b);
        assert_non_null(b);
        TAILQ_INIT(&b->report);
        b->accounting = true;
        b->settings.user = "ada";
        b->workers = gw_slurm_workers_new(&settings, NULL);
        assert_non_null(b->workers);
        return b;
}

static void end(struct gw_slurm *b)
{
        gw_slurm_workers_free(b->workers);
        b->workers = NULL;
        gw_slurm_jobs_clear(b);
        free(b);
}

/* An array of which a part has begun, and the table lacks all that has. */
static struct gw_slurm_job *lost_array(struct gw_slurm *b, struct gw_span begun)
{
        static const struct gw_span whole = {0, TASKS - 1};
        const struct gw_mark mark = {.number = 1};
        const struct gw_slurm_job_settings settings = {.user = "ada",
                                                       .uid = UID,
                                                       .index_set = "0-4998:2",
                                                       .most_tasks = 1000000,
                                                       .spans = &whole,
                                                       .span_count = 1,
                                                       .begun = &begun,
                                                       .begun_count = 1};
        struct gw_spans listed = GW_SPANS_INIT;
        const struct gw_slurm_record rest = {.job = NUMBER, .array = NUMBER, .task = -1};
        struct gw_slurm_job *job = gw_slurm_job_add(b, mark, &settings);
        assert_non_null(job);
        gw_slurm_job_number(b, job, NUMBER);
        if (begun.first > 0)
                assert_int_equal(gw_spans_append(&listed, 0, begun.first - 1, NULL), 0);
        assert_int_equal(gw_slurm_tasks_take_rest(&job->tasks, &listed, &rest), 0);
        return job;
}

static bool misses(const struct gw_slurm_job *job)
{
        return gw_slurm_tasks_misses(&job->tasks, false);
}

static void serve(struct gw_slurm *b)
{
        struct pollfd p = {.fd = gw_slurm_workers_fd(b->workers), .events = POLLIN};
        gw_slurm_workers_serve(b->workers);
        assert_true(poll(&p, 1, 100) >= 0);
}

/* Each answer is bounded, and in the end all was asked for. */
static void what_an_array_lacks_is_asked_for_piece_by_piece(void **state)
{
        static const struct gw_span begun[] = {{0, TASKS - 1}, {TASKS - 700, TASKS - 1}};
        (void)state;
        for (size_t i = 0; i < GW_COUNT(begun); i++) {
                struct gw_slurm *b = begin();
                struct gw_slurm_job *job = lost_array(b, begun[i]);
                assert_true(misses(job));
                assert_true(gw_slurm_quest_missing(b, job, true));
                for (int round = 0; misses(job); round++) {
                        assert_true(round < ROUNDS);
                        serve(b);
                        gw_slurm_quest_ask(b, job);
                        /* One round of each of two, however many questions they are. */
                        assert_true(job->quest.pause_us <= 2 * GW_SECOND);
                }
                for (size_t t = 0; t < job->tasks.count; t++)
                        assert_int_equal(job->tasks.items[t]->view.reason, GW_REASON_COMPLETED);
                end(b);
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_an_array_lacks_is_asked_for_piece_by_piece),
        };
        ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
        if (argc > 1 && strcmp(argv[1], "work") == 0)
                return work();
        if (len <= 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
