/* The gateway is killed at each of the backend's crash points, again and again, while jobs are
 * handed over, run and are forgotten: none is lost, none runs twice. */
#include <sys/wait.h>

#include "tests/unit/backends/local/rig.h"

#define PLAIN 14
#define JOBS 17 /* the rest are arrays */
#define TASKS 12
#define CANCELLED 8 /* ordinals from here on, of the arrays */
#define CRASHES 12

static const char *const points[] = {"local.before_rename", "local.after_rename",
                                     "local.before_spawn",  "local.after_spawn",
                                     "local.after_cancel",  "local.before_forget"};

/* What the engine would have on record. It outlives the processes that are killed. */
struct record {
        struct gw_mark mark;
        uint32_t count;
        bool accepted, held, ended;
        enum gw_reason reasons[TASKS];
};

static json_t *settings;
static char tally[128];

static struct gw_submission submission(const struct record *job, struct gw_span *span,
                                       const char *spec)
{
        struct gw_submission s = rig_submission(job->mark, spec);
        *span = (struct gw_span){0, job->count - 1};
        s.spans = span;
        s.index_set = job->count > 1 ? "0-11" : NULL;
        s.accepted = job->accepted;
        s.held = job->held;
        return s;
}

static void end_job(struct rig *r, struct record *job)
{
        for (uint32_t i = 0; i < job->count; i++)
                job->reasons[i] = rig_wait_task(r, job->mark, i, GW_PHASE_ENDED).reason;
        job->ended = true;
        assert_int_equal(r->b->type->forget(r->b, job->mark), 0);
        rig_wait_answer(r, GW_REQUEST_FORGET, job->mark);
}

static void hand_over(struct rig *r, struct record *job, bool maybe_sent)
{
        char spec[512], id[GW_ID_TEXT];
        struct gw_span span;
        gw_id_format(job->mark.job, id);
        snprintf(spec, sizeof spec,
                 "{\"command\": [\"sh\", \"-c\", \"sleep 0.02; echo %s $JOBGATE_TASK_INDEX "
                 ">>%s/ran\"]}",
                 id, tally);
        struct gw_submission s = submission(job, &span, spec);
        enum gw_answer answer = GW_ANSWER_ABSENT;
        if (maybe_sent) {
                assert_int_equal(r->b->type->resolve(r->b, &s), 0);
                answer = rig_wait_answer(r, GW_REQUEST_RESOLVE, job->mark).answer;
        }
        if (answer == GW_ANSWER_ABSENT) {
                assert_int_equal(r->b->type->submit(r->b, &s), 0);
                answer = rig_wait_answer(r, GW_REQUEST_SUBMIT, job->mark).answer;
        }
        assert_int_equal(answer, GW_ANSWER_DONE);
        job->accepted = true;
}

/* Cancels some tasks one by one, while all are held, and lets the rest go. */
static void release_some(struct rig *r, struct record *job)
{
        for (uint32_t i = CANCELLED; i < job->count; i++) {
                struct gw_span one = {i, i};
                assert_int_equal(r->b->type->cancel(r->b, job->mark, &one, 1), 0);
                rig_wait_answer(r, GW_REQUEST_CANCEL, job->mark);
        }
        job->held = false;
        assert_int_equal(r->b->type->change(r->b, job->mark, false, -1, 0), 0);
        rig_wait_answer(r, GW_REQUEST_CHANGE, job->mark);
}

/* One life of a gateway: takes over, and goes on until all is done or it is killed. */
static void live_once(struct record *jobs)
{
        struct rig *r = rig_bare(settings);
        struct gw_submission lives[JOBS];
        struct gw_span spans[JOBS];
        size_t count = 0;
        for (size_t i = 0; i < JOBS; i++)
                if (!jobs[i].ended) {
                        lives[count] = submission(&jobs[i], &spans[count], "{}");
                        count++;
                }
        rig_lead(r, lives, count);
        for (size_t i = 0; i < JOBS; i++)
                if (!jobs[i].accepted)
                        hand_over(r, &jobs[i], true);
        for (size_t i = PLAIN; i < JOBS; i++)
                if (jobs[i].held)
                        release_some(r, &jobs[i]);
        for (size_t i = 0; i < JOBS; i++)
                if (!jobs[i].ended)
                        end_job(r, &jobs[i]);
        rig_close(r);
}

/* Returns whether it was killed at the point. */
static bool live_until(struct record *jobs, const char *point, int passage)
{
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                char wish[64];
                snprintf(wish, sizeof wish, "%s:%d", point, passage);
                setenv("JOBGATE_CRASH", wish, 1);
                live_once(jobs);
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int count_runs(struct gw_id id, uint32_t ordinal)
{
        char path[256], line[128], wanted[128], text[GW_ID_TEXT];
        int count = 0;
        gw_id_format(id, text);
        snprintf(wanted, sizeof wanted, "%s %u\n", text, ordinal);
        snprintf(path, sizeof path, "%s/ran", tally);
        FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
                count += strcmp(line, wanted) == 0;
        if (f)
                fclose(f);
        return count;
}

static void assert_each_ran_once(const struct record *job)
{
        assert_true(job->ended);
        for (uint32_t i = 0; i < job->count; i++) {
                bool cancelled = i >= CANCELLED;
                assert_int_equal(job->reasons[i],
                                 cancelled ? GW_REASON_CANCELLED_BY_USER : GW_REASON_COMPLETED);
                assert_int_equal(count_runs(job->mark.job, i), cancelled ? 0 : 1);
        }
}

static void killed_at_each_point(void **state)
{
        (void)state;
#ifndef GW_CRASH_POINTS
        skip();
#endif
        for (size_t p = 0; p < GW_COUNT(points); p++) {
                struct record *jobs = mmap(NULL, JOBS * sizeof *jobs, PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
                assert_true(jobs != MAP_FAILED);
                for (size_t i = 0; i < JOBS; i++)
                        jobs[i] = (struct record){.mark = rig_mark(),
                                                  .count = i < PLAIN ? 1 : TASKS,
                                                  .held = i >= PLAIN};
                int killed = 0;
                for (int i = 0; i < CRASHES; i++)
                        killed += live_until(jobs, points[p], i % 3 + 1);
                live_until(jobs, "none", 1);
                assert_true(killed >= 3);
                for (size_t i = 0; i < JOBS; i++)
                        assert_each_ran_once(&jobs[i]);
                munmap(jobs, JOBS * sizeof *jobs);
        }
}

static int set_up(void **state)
{
        (void)state;
        strcpy(tally, "/tmp/gw-local-tally.XXXXXX");
        assert_non_null(mkdtemp(tally));
        chmod(tally, 0777);
        char directory[160];
        snprintf(directory, sizeof directory, "%s/spool", tally);
        settings = rig_settings(directory, NULL);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        json_decref(settings);
        return nftw(tally, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(killed_at_each_point),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
