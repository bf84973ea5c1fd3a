/* Records that may be ours, and those of whoever has our number or our mark by chance or copy. */
#include "backends/slurm/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "backends/slurm/internal.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define MADE_S INT64_C(1700000000) /* the time in the id */
#define MARK "018bcfe5-6800-7000-8000-000000000001.2"
#define OTHER "018bcfe5-6800-7000-8000-000000000002.1"
#define SEND_BEFORE_US ((MADE_S + 600) * GW_SECOND)
#define UID 1001

static struct gw_mark mark(void)
{
        struct gw_mark made;
        assert_int_equal(gw_mark_parse(MARK, &made), 0);
        assert_int_equal(gw_id_time_us(made.job) / GW_SECOND, MADE_S);
        return made;
}

static void a_mark_is_the_first_word_of_a_comment(void **state)
{
        (void)state;
        struct gw_mark read, made = mark();
        assert_int_equal(gw_slurm_mark_read("jobgate:" MARK " theirs", &read), 0);
        assert_true(read.number == made.number && gw_id_equal(read.job, made.job));
        assert_int_equal(gw_slurm_mark_read("jobgate:" MARK "x", &read), -1);
        assert_int_equal(gw_slurm_mark_read("mine", &read), -1);
        assert_int_equal(gw_slurm_mark_read(NULL, &read), -1);
}

/* After a take-over nothing but its number and its owner is known. */
static void a_first_record_is_ours_by_its_mark_or_its_time(void **state)
{
        (void)state;
        static const struct {
                const char *comment;
                int64_t after_s; /* that the job was made */
                uint32_t restart;
                bool ours;
        } cases[] = {
                {"jobgate:" MARK, 1, 0, true},
                {"jobgate:" MARK, 100000, 0, true},
                {"jobgate:" OTHER, 1, 0, false},
                {"mine", 1, 0, true},
                {NULL, 600, 0, true},
                {NULL, -50, 0, true}, /* clocks differ */
                {NULL, -100, 0, false},
                {NULL, 1000, 0, false}, /* its owner's own, when the numbers began anew */
                {"mine", 100000, 0, false},
                {"mine", 100000, 1, true}, /* requeued */
                {"mine", -100, 1, false},
        };
        static struct gw_slurm b;
        struct gw_slurm_job job = {
                .mark = mark(), .uid = UID, .number = 7, .send_before_us = SEND_BEFORE_US};
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_record r = {.job = 7,
                                            .task = -1,
                                            .uid = UID,
                                            .comment = cases[i].comment,
                                            .restart = cases[i].restart,
                                            .submit_s = MADE_S + cases[i].after_s};
                if (gw_slurm_is_of(&b, &job, &r) != cases[i].ours)
                        fail_msg("case %zu", i);
        }
}

static struct gw_slurm_job *made(struct gw_slurm *b, uint32_t number)
{
        struct gw_slurm_job_settings settings = {
                .user = "user", .uid = UID, .send_before_us = SEND_BEFORE_US};
        struct gw_mark its = mark();
        its.number = number;
        struct gw_slurm_job *job = gw_slurm_job_add(b, its, &settings);
        assert_non_null(job);
        gw_slurm_job_number(b, job, number);
        return job;
}

static struct gw_slurm_task *task_of(struct gw_slurm *b, struct gw_slurm_job *job, uint32_t record)
{
        struct gw_slurm_task *task;
        struct gw_slurm_record r = {.job = record, .task = -1, .uid = UID, .submit_s = MADE_S};
        gw_slurm_take(b, job, &r);
        assert_int_equal(gw_slurm_tasks_own(&job->tasks, 0, &task), 0);
        return task;
}

/* slurmctld has lost its state, and gives the numbers of tasks anew. */
static void a_record_of_another_s_task_is_no_more_of_it(void **state)
{
        (void)state;
        static struct gw_slurm b;
        TAILQ_INIT(&b.report);
        struct gw_slurm_job *former = made(&b, 7), *job = made(&b, 8);
        struct gw_slurm_task *lost = task_of(&b, former, 9);
        lost->view.pending_us = (MADE_S - 1) * GW_SECOND;
        former->tasks.changed = false;
        struct gw_slurm_record r = {
                .job = 9, .array = 8, .task = 0, .uid = UID, .submit_s = MADE_S};
        job->array.is_array = true;
        assert_true(gw_slurm_is_of(&b, job, &r));
        job->array.is_array = false;

        struct gw_slurm_task *task = task_of(&b, job, 9);
        assert_ptr_equal(gw_slurm_task_numbered(&b, 9), task);
        assert_true(task->found && !lost->found && lost->number == 0 && former->tasks.changed);
        gw_slurm_jobs_clear(&b);
}

/* Its owner may run by hand what the gateway shows of it. */
static void a_closed_job_is_there_again_by_its_number_or_its_time(void **state)
{
        (void)state;
        static const struct {
                uint32_t known, array, job;
                int64_t after_s;
                bool ours;
        } cases[] = {{7, 0, 7, 100000, true}, {7, 0, 8, 1, false},   {7, 7, 9, 1, true},
                     {7, 8, 7, 1, false},     {0, 0, 8, 600, true},  {0, 0, 8, 1000, false},
                     {0, 8, 8, 1, true},      {0, 0, 8, -100, false}};
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_record r = {.job = cases[i].job,
                                            .array = cases[i].array,
                                            .submit_s = MADE_S + cases[i].after_s};
                if (gw_slurm_is_again(mark(), cases[i].known, SEND_BEFORE_US, &r) != cases[i].ours)
                        fail_msg("case %zu", i);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_mark_is_the_first_word_of_a_comment),
                cmocka_unit_test(a_first_record_is_ours_by_its_mark_or_its_time),
                cmocka_unit_test(a_record_of_another_s_task_is_no_more_of_it),
                cmocka_unit_test(a_closed_job_is_there_again_by_its_number_or_its_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
