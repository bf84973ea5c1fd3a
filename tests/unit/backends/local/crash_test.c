/* The gateway is killed at each of the backend's crash points, again and again, while jobs are
 * handed over, run and are forgotten: none is lost, none runs twice. */
#include <sys/wait.h>

#include "tests/unit/backends/local/rig.h"

#define JOBS 20
#define CRASHES 12

static const char *const points[] = {"local.before_rename", "local.after_rename",
                                     "local.before_spawn", "local.after_spawn",
                                     "local.before_forget"};

/* What the engine would have on record. It outlives the processes that are killed. */
struct record {
        struct gw_mark mark;
        bool accepted, ended;
        enum gw_reason reason;
};

static json_t *settings;
static char tally[128];

static void end_job(struct rig *r, struct record *job)
{
        struct told t = rig_wait_phase(r, job->mark, GW_PHASE_ENDED);
        job->reason = t.reason;
        job->ended = true;
        assert_int_equal(r->b->type->forget(r->b, job->mark), 0);
        rig_wait_answer(r, GW_REQUEST_FORGET, job->mark);
}

static void hand_over(struct rig *r, struct record *job, bool maybe_sent)
{
        char spec[512], id[GW_ID_TEXT];
        gw_id_format(job->mark.job, id);
        snprintf(spec, sizeof spec,
                 "{\"command\": [\"sh\", \"-c\", \"sleep 0.02; echo %s >>%s/ran\"]}", id, tally);
        struct gw_submission s = rig_submission(job->mark, spec);
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

/* One life of a gateway: takes over, and goes on until all is done or it is killed. */
static void live_once(struct record *jobs)
{
        struct rig *r = rig_bare(settings);
        struct gw_submission lives[JOBS];
        size_t count = 0;
        for (size_t i = 0; i < JOBS; i++)
                if (!jobs[i].ended) {
                        lives[count] = rig_submission(jobs[i].mark, "{}");
                        lives[count++].accepted = jobs[i].accepted;
                }
        rig_lead(r, lives, count);
        for (size_t i = 0; i < JOBS; i++)
                if (!jobs[i].accepted)
                        hand_over(r, &jobs[i], true);
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

static int count_runs(struct gw_id id)
{
        char path[256], line[128], wanted[GW_ID_TEXT];
        int count = 0;
        gw_id_format(id, wanted);
        snprintf(path, sizeof path, "%s/ran", tally);
        FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
                count += strncmp(line, wanted, GW_ID_TEXT - 1) == 0;
        if (f)
                fclose(f);
        return count;
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
                        jobs[i] = (struct record){.mark = rig_mark()};
                int killed = 0;
                for (int i = 0; i < CRASHES; i++)
                        killed += live_until(jobs, points[p], i % 3 + 1);
                live_until(jobs, "none", 1);
                assert_true(killed >= 3);
                for (size_t i = 0; i < JOBS; i++) {
                        assert_true(jobs[i].ended);
                        assert_int_equal(jobs[i].reason, GW_REASON_COMPLETED);
                        assert_int_equal(count_runs(jobs[i].mark.job), 1);
                }
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
