/* What is known of a submission's tasks. The records are those that slurmctld 22.05 made. */
#include "backends/slurm/tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backends/slurm/array.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define BROKEN false
#define UNBROKEN true

struct place {
        struct gw_slurm_array array;
        struct gw_slurm_tasks tasks;
        char told[1024]; /* by the last tell() */
};

/* begun: "0-1", or NULL. */
static void begin(struct place *p, const char *indices, const char *begun)
{
        struct gw_span whole = {0, 0};
        struct gw_spans ran = GW_SPANS_INIT;
        struct gw_indexset set = {0};
        if (indices) {
                assert_int_equal(gw_indexset_parse(indices, &set, NULL), 0);
                whole.last = set.count - 1;
                gw_indexset_done(&set);
        }
        if (begun)
                assert_int_equal(gw_spans_parse(begun, &ran, NULL), 0);
        assert_int_equal(gw_slurm_array_init(&p->array, indices, &whole, 1, 1000000, NULL), 0);
        assert_int_equal(gw_slurm_tasks_init(&p->tasks, &p->array.ordinals, ran.items, ran.count),
                         0);
        gw_spans_done(&ran);
}

static void end(struct place *p)
{
        gw_slurm_tasks_done(&p->tasks);
        gw_slurm_array_done(&p->array);
}

/* A record of array 1, as the agent says it. */
static void say(struct place *p, const char *text)
{
        json_auto_t *json = json_loads(text, 0, NULL);
        struct gw_slurm_record r;
        struct gw_slurm_task *task;
        struct gw_spans listed = GW_SPANS_INIT;
        uint32_t ordinal = 0;
        assert_int_equal(gw_slurm_record_read(json, &r, NULL), 0);
        if (r.array && r.task < 0) {
                if (r.tasks)
                        assert_int_equal(gw_slurm_array_read(&p->array, r.tasks, &listed, NULL), 0);
                assert_int_equal(gw_slurm_tasks_take_rest(&p->tasks, &listed, &r), 0);
                return;
        }
        if (r.array)
                assert_int_equal(gw_slurm_array_ordinal(&p->array, (uint64_t)r.task, &ordinal), 0);
        if (r.job == 1)
                gw_slurm_tasks_head(&p->tasks, GW_SLURM_HEAD_TASK);
        assert_int_equal(gw_slurm_tasks_own(&p->tasks, ordinal, &task), 0);
        if (task)
                assert_int_equal(gw_slurm_tasks_take(&p->tasks, task, &r), 0);
}

/* All that is to be told, a few facts at a time: "0-1 running none, 2-9 pending limit". */
static const char *tell(struct place *p)
{
        static const char *const phases[] = {"pending", "running", "ending", "ended"};
        struct gw_fact facts[2];
        size_t count, len = 0;
        p->told[0] = '\0';
        while ((count = gw_slurm_tasks_facts(&p->tasks, facts, GW_COUNT(facts))) > 0) {
                for (size_t i = 0; i < count; i++) {
                        const struct gw_fact *f = &facts[i];
                        const char *reason = gw_reason_name(f->reason);
                        len += (size_t)snprintf(p->told + len, sizeof p->told - len,
                                                "%s%u-%u %s %s", len ? ", " : "", f->span.first,
                                                f->span.last, phases[f->phase],
                                                reason ? reason : "none");
                }
                gw_slurm_tasks_told(&p->tasks, count);
        }
        assert_false(gw_slurm_tasks_untold(&p->tasks));
        return p->told;
}

static const char *settle(struct place *p, bool unbroken)
{
        assert_int_equal(gw_slurm_tasks_settle(&p->tasks, unbroken), 0);
        return tell(p);
}

#define WAITS(list) "{\"job\": 1, \"array\": 1, \"reason\": 72, \"tasks\": \"" list "\"}"
#define RUNS(job, task)                                                                            \
        "{\"job\": " job ", \"array\": 1, \"task\": " task ", \"state\": 1, \"node\": \"n1\"}"
#define ENDS(job, task)                                                                            \
        "{\"job\": " job ", \"array\": 1, \"task\": " task ", \"state\": 3, \"node\": \"n1\"}"

/* ---- an array's way -------------------------------------------------------------------------- */

static void what_waits_is_told_at_once(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-999999", NULL);
        say(&p, WAITS("0-999999%2"));
        assert_string_equal(settle(&p, UNBROKEN), "0-999999 pending limit");
        assert_string_equal(settle(&p, UNBROKEN), "");
        assert_int_equal(p.tasks.count, 0);
        end(&p);
}

static void each_that_begins_is_told_by_itself(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-4", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, RUNS("3", "1"));
        say(&p, WAITS("2-4%2"));
        assert_string_equal(settle(&p, UNBROKEN),
                            "0-0 running none, 1-1 running none, 2-4 pending limit");
        say(&p, ENDS("2", "0"));
        assert_string_equal(settle(&p, UNBROKEN), "0-0 ended completed");
        say(&p, ENDS("2", "0")); /* a new agent says it again */
        assert_string_equal(settle(&p, UNBROKEN), "");
        /* The last one has the array's number. */
        say(&p, RUNS("4", "2"));
        say(&p, RUNS("5", "3"));
        say(&p, RUNS("1", "4"));
        assert_string_equal(settle(&p, UNBROKEN),
                            "2-2 running none, 3-3 running none, 4-4 running none");
        say(&p, ENDS("3", "1"));
        say(&p, ENDS("4", "2"));
        say(&p, ENDS("5", "3"));
        say(&p, ENDS("1", "4"));
        tell(&p);
        assert_true(gw_slurm_tasks_over(&p.tasks));
        end(&p);
}

static void a_run_that_slurm_began_by_itself(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-1", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, RUNS("1", "1"));
        settle(&p, UNBROKEN);
        say(&p, "{\"job\": 2, \"array\": 1, \"task\": 0, \"reason\": 9, \"restart\": 1,"
                " \"preempt\": 5}");
        assert_string_equal(settle(&p, UNBROKEN), "0-0 pending preempted, 0-0 pending retry_delay");
        end(&p);
}

/* ---- cancels --------------------------------------------------------------------------------- */

static void waiting_tasks_that_are_cancelled_vanish(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-9", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, WAITS("1-9%1"));
        settle(&p, UNBROKEN);
        say(&p, WAITS("1-4,7-9%1"));
        assert_string_equal(settle(&p, UNBROKEN),
                            "5-6 ended cancelled_externally, 1-4 pending limit, 7-9 pending limit");
        end(&p);
}

static void the_rest_is_cancelled_as_a_whole(void **state)
{
        static const char *const records[] = {
                /* One by one, and at once. */
                "{\"job\": 1, \"array\": 1, \"state\": 4, \"reason\": 72}",
                "{\"job\": 1, \"array\": 1, \"tasks\": \"1-3\", \"state\": 4, \"reason\": 72}",
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(records); i++) {
                struct place p;
                begin(&p, "0-3", NULL);
                say(&p, RUNS("2", "0"));
                say(&p, WAITS("1-3%1"));
                settle(&p, UNBROKEN);
                say(&p, records[i]);
                assert_string_equal(settle(&p, UNBROKEN), "1-3 ended cancelled_externally");
                say(&p, ENDS("2", "0"));
                assert_string_equal(settle(&p, UNBROKEN), "0-0 ended completed");
                assert_true(gw_slurm_tasks_over(&p.tasks));
                end(&p);
        }
}

static void very_many_vanish_at_once(void **state)
{
        struct gw_fact facts[100];
        struct place p;
        size_t count, told = 0;
        (void)state;
        begin(&p, "0-199999", NULL);
        say(&p, WAITS("0-199999"));
        settle(&p, UNBROKEN);
        say(&p, WAITS("0-199999:2"));
        assert_int_equal(gw_slurm_tasks_settle(&p.tasks, UNBROKEN), 0);
        assert_int_equal(p.tasks.count, 100000);
        assert_int_equal(gw_spans_total(&p.tasks.waiting), 100000);
        while (told < 1000 && (count = gw_slurm_tasks_facts(&p.tasks, facts, 100)) > 0) {
                assert_int_equal(facts[0].span.first, 2 * told + 1);
                gw_slurm_tasks_told(&p.tasks, count);
                told += count;
        }
        end(&p);
}

static void the_rest_may_end_otherwise(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-3", NULL);
        say(&p, "{\"job\": 1, \"array\": 1, \"tasks\": \"0-3\", \"state\": 5, \"reason\": 21,"
                " \"exit\": 1}");
        assert_string_equal(settle(&p, UNBROKEN), "0-3 ended rejected");
        end(&p);
}

static void what_waits_is_not_told_before_all_was_read(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-3", NULL);
        say(&p, WAITS("0-3"));
        assert_int_equal(gw_slurm_tasks_settle(&p.tasks, UNBROKEN), 0);
        say(&p, "{\"job\": 1, \"array\": 1, \"tasks\": \"1-3\", \"state\": 4}");
        assert_string_equal(tell(&p), "");
        say(&p, ENDS("2", "0"));
        assert_string_equal(tell(&p), "0-0 ended completed");
        assert_string_equal(settle(&p, UNBROKEN), "1-3 ended cancelled_externally");
        end(&p);
}

static void the_rest_does_not_succeed_as_a_whole(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-3", NULL);
        say(&p, "{\"job\": 1, \"array\": 1, \"tasks\": \"0-3\", \"state\": 3}");
        assert_true(gw_slurm_tasks_misses(&p.tasks, UNBROKEN));
        assert_string_equal(settle(&p, UNBROKEN), "0-3 ended lost");
        end(&p);
}

static void the_last_that_waits_is_cancelled_before_its_neighbour_begins(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-1", NULL);
        say(&p, WAITS("0-1"));
        settle(&p, UNBROKEN);
        say(&p, RUNS("1", "0"));
        assert_string_equal(settle(&p, UNBROKEN),
                            "0-0 running none, 1-1 ended cancelled_externally");
        end(&p);
}

static void what_is_asked_for_is_not_taken_for_a_failure(void **state)
{
        /* Of a prolog that failed, or of a job that ended well when it was cancelled. */
        static const char record[] = "{\"job\": 2, \"array\": 1, \"task\": 0, \"state\": 4,"
                                     " \"node\": \"n1\"}";
        struct gw_span first = {0, 0};
        const struct gw_spans asked = {.items = &first, .count = 1};
        (void)state;
        for (int ask = 0; ask < 2; ask++) {
                struct place p;
                begin(&p, "0-1", NULL);
                if (ask)
                        assert_int_equal(gw_slurm_tasks_cancelled(&p.tasks, &asked), 0);
                say(&p, record);
                assert_string_equal(tell(&p), ask ? "0-0 ended cancelled_externally"
                                                  : "0-0 ended backend_error");
                end(&p);
        }
}

/* ---- a controller with an older state of its own --------------------------------------------- */

static const char *again(struct place *p, char out[64])
{
        struct gw_spans spans;
        struct gw_buf text = GW_BUF_INIT(64);
        assert_int_equal(gw_slurm_tasks_again(&p->tasks, &spans), 0);
        gw_spans_format(&spans, &text);
        snprintf(out, 64, "%s", text.data ? text.data : "");
        gw_spans_done(&spans);
        gw_buf_done(&text);
        return out;
}

static void what_ran_and_is_listed_again_waits(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-3", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, RUNS("3", "1"));
        say(&p, WAITS("2-3"));
        settle(&p, UNBROKEN);
        gw_slurm_tasks_unread(&p.tasks);
        say(&p, RUNS("2", "0"));
        say(&p, WAITS("1-3"));
        assert_false(gw_slurm_tasks_misses(&p.tasks, BROKEN));
        assert_string_equal(settle(&p, BROKEN), "0-0 running none, 1-3 pending limit");
        say(&p, RUNS("4", "1"));
        assert_string_equal(settle(&p, UNBROKEN), "1-1 running none");
        end(&p);
}

static void what_is_lost_is_not_before_it_was_told(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-5", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, WAITS("1-5"));
        settle(&p, UNBROKEN);
        gw_slurm_tasks_unread(&p.tasks);
        assert_int_equal(gw_slurm_tasks_settle(&p.tasks, BROKEN), 0); /* all of it */
        say(&p, RUNS("3", "1"));
        say(&p, WAITS("0,2-4"));
        assert_string_equal(
                settle(&p, BROKEN),
                "1-1 running none, 5-5 ended lost, 0-0 pending limit, 2-4 pending limit");
        end(&p);
}

/* One record is of one of them, and of what ran it is known that it did. */
static void only_what_is_there_is_not_lost(void **state)
{
        struct place p;
        struct gw_slurm_task *task;
        (void)state;
        begin(&p, "0-3", NULL);
        say(&p,
            "{\"job\": 2, \"array\": 1, \"task\": 0, \"state\": 1, \"start\": 50, \"restart\": 2,"
            " \"node\": \"n1\"}");
        say(&p, RUNS("3", "1"));
        say(&p, WAITS("2-3"));
        settle(&p, UNBROKEN);
        gw_slurm_tasks_unread(&p.tasks);
        assert_int_equal(gw_slurm_tasks_settle(&p.tasks, BROKEN), 0); /* nobody is told */
        gw_slurm_tasks_unread(&p.tasks);
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        assert_int_equal(task->view.restart, 2);
        assert_int_equal(task->view.started_us, 50 * GW_SECOND);
        say(&p, RUNS("2", "0"));
        assert_string_equal(settle(&p, UNBROKEN),
                            "0-0 running none, 1-1 ended lost, 2-3 ended lost");
        end(&p);
}

static void what_was_told_to_have_ended_is_there_again(void **state)
{
        struct place p;
        char text[64];
        struct gw_slurm_task *task;
        (void)state;
        begin(&p, "0-5", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, WAITS("1-5"));
        settle(&p, UNBROKEN);
        assert_string_equal(again(&p, text), "");
        gw_slurm_tasks_unread(&p.tasks);
        say(&p, WAITS("3-5"));
        assert_string_equal(settle(&p, BROKEN),
                            "0-0 ended lost, 1-2 ended lost, 3-5 pending limit");
        say(&p, WAITS("0-2,4-5"));
        assert_string_equal(settle(&p, UNBROKEN),
                            "3-3 ended cancelled_externally, 4-5 pending limit");
        assert_string_equal(again(&p, text), "0-2");
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        assert_null(task);
        end(&p);
}

static void a_run_is_not_counted_back(void **state)
{
        struct place p;
        struct gw_fact fact;
        (void)state;
        begin(&p, NULL, NULL);
        say(&p, "{\"job\": 1, \"state\": 1, \"restart\": 2}");
        say(&p, "{\"job\": 1, \"state\": 3}"); /* accounting does not say it */
        assert_int_equal(gw_slurm_tasks_facts(&p.tasks, &fact, 1), 1);
        assert_int_equal(fact.restart, 2);
        end(&p);
}

/* Neither run is told before it is known how the first ended, but for an end. */
static void a_run_that_was_followed_is_put_off(void **state)
{
        struct place p;
        struct gw_slurm_task *task;
        (void)state;
        begin(&p, NULL, NULL);
        say(&p, "{\"job\": 1, \"state\": 1, \"start\": 50, \"node\": \"n1\"}");
        assert_string_equal(tell(&p), "0-0 running none");
        say(&p, "{\"job\": 1, \"reason\": 9, \"requeue\": 1, \"restart\": 1}");
        assert_string_equal(tell(&p), "");
        say(&p, "{\"job\": 1, \"state\": 1, \"start\": 60, \"requeue\": 1, \"restart\": 1}");
        assert_string_equal(tell(&p), "");
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        gw_slurm_task_followed(task, GW_REASON_CANCELLED_EXTERNALLY);
        assert_string_equal(tell(&p), "0-0 running cancelled_externally, 0-0 running none");
        say(&p, "{\"job\": 1, \"reason\": 9, \"requeue\": 1, \"restart\": 2}");
        assert_string_equal(tell(&p), "");
        gw_slurm_task_followed(task, GW_REASON_NONE);
        assert_string_equal(tell(&p), "0-0 pending retry_delay");
        say(&p, "{\"job\": 1, \"state\": 1, \"start\": 70, \"requeue\": 1, \"restart\": 2}");
        assert_string_equal(tell(&p), "0-0 running none");
        say(&p, "{\"job\": 1, \"reason\": 9, \"requeue\": 1, \"restart\": 3}");
        say(&p, "{\"job\": 1, \"state\": 3, \"start\": 80, \"requeue\": 1, \"restart\": 3}");
        assert_string_equal(tell(&p), "0-0 ended completed");
        end(&p);
}

/* ---- what is not there ----------------------------------------------------------------------- */

static void absences(void **state)
{
        static const struct {
                bool listed;
                enum gw_slurm_head head;
                bool begun, unbroken;
                enum gw_slurm_absence means;
        } rows[] = {
                {true, GW_SLURM_HEAD_WAITS, false, true, GW_SLURM_WAITS},
                {true, GW_SLURM_HEAD_WAITS, false, false, GW_SLURM_WAITS},
                {true, GW_SLURM_HEAD_WAITS, true, false, GW_SLURM_WAITS},
                {true, GW_SLURM_HEAD_ENDED, false, false, GW_SLURM_ENDED_WITH_THE_REST},
                {false, GW_SLURM_HEAD_ENDED, false, true, GW_SLURM_ENDED_WITH_THE_REST},
                {false, GW_SLURM_HEAD_ENDED, false, false, GW_SLURM_LOST},
                {false, GW_SLURM_HEAD_ENDED, true, true, GW_SLURM_LOST},
                {false, GW_SLURM_HEAD_WAITS, false, true, GW_SLURM_CANCELLED},
                {false, GW_SLURM_HEAD_WAITS, false, false, GW_SLURM_LOST},
                {false, GW_SLURM_HEAD_WAITS, true, true, GW_SLURM_LOST},
                {false, GW_SLURM_HEAD_TASK, false, true, GW_SLURM_CANCELLED},
                {false, GW_SLURM_HEAD_TASK, true, true, GW_SLURM_LOST},
                {false, GW_SLURM_HEAD_NONE, false, true, GW_SLURM_LOST},
        };
        (void)state;
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                assert_int_equal(gw_slurm_absence_of(rows[i].listed, rows[i].head, rows[i].begun,
                                                     rows[i].unbroken),
                                 rows[i].means);
}

static void a_new_agent_says_all_there_is(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-5", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, RUNS("3", "1"));
        say(&p, WAITS("2-5%2"));
        settle(&p, UNBROKEN);
        gw_slurm_tasks_unread(&p.tasks);
        say(&p, RUNS("3", "1"));
        say(&p, WAITS("2-3,5%2"));
        assert_string_equal(settle(&p, UNBROKEN),
                            "0-0 ended lost, 1-1 running none, 4-4 ended cancelled_externally,"
                            " 2-3 pending limit, 5-5 pending limit");
        end(&p);
}

static void after_a_long_absence_nobody_knows(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-5", "0-1");
        say(&p, RUNS("3", "1"));
        say(&p, WAITS("4-5%2"));
        assert_string_equal(settle(&p, BROKEN), "0-0 ended lost, 1-1 running none,"
                                                " 2-3 ended lost, 4-5 pending limit");
        end(&p);
}

static void what_ran_is_not_taken_for_cancelled(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-3", "0-1");
        say(&p, WAITS("3%2"));
        assert_string_equal(settle(&p, UNBROKEN), "0-1 ended lost, 2-2 ended cancelled_externally,"
                                                  " 3-3 pending limit");
        end(&p);
}

static void a_silent_node_keeps_its_tasks(void **state)
{
        struct place p;
        (void)state;
        begin(&p, "0-0", NULL);
        say(&p, "{\"job\": 1, \"array\": 1, \"task\": 0, \"state\": 7, \"reason\": 20,"
                " \"node\": \"n1\", \"end\": 9}");
        assert_string_equal(settle(&p, UNBROKEN), "0-0 running node_unavailable");
        gw_slurm_tasks_unread(&p.tasks);
        assert_string_equal(settle(&p, BROKEN), "");
        gw_slurm_task_end(p.tasks.items[0], GW_REASON_NODE_FAILURE, 9000000);
        assert_string_equal(tell(&p), "0-0 ended node_failure");
        end(&p);
}

static void a_plain_job_has_one_record(void **state)
{
        struct place p;
        (void)state;
        begin(&p, NULL, NULL);
        assert_string_equal(tell(&p), ""); /* nothing is known yet */
        say(&p, "{\"job\": 1, \"reason\": 1}");
        assert_string_equal(settle(&p, UNBROKEN), "0-0 pending priority");
        assert_true(gw_slurm_tasks_wait(&p.tasks));
        say(&p, "{\"job\": 1, \"state\": 1, \"node\": \"n1\"}");
        assert_string_equal(settle(&p, UNBROKEN), "0-0 running none");
        assert_false(gw_slurm_tasks_wait(&p.tasks));
        assert_int_equal(gw_slurm_tasks_lose(&p.tasks, "gone"), 0);
        assert_string_equal(tell(&p), "0-0 ended lost");
        end(&p);
        begin(&p, NULL, NULL);
        assert_string_equal(settle(&p, UNBROKEN), "0-0 ended lost");
        end(&p);
}

static void what_would_be_lost_is_known_before(void **state)
{
        (void)state;
        struct place p;
        begin(&p, NULL, NULL);
        assert_true(gw_slurm_tasks_misses(&p.tasks, BROKEN));
        say(&p, "{\"job\": 1, \"state\": 1, \"uid\": 1001}");
        assert_false(gw_slurm_tasks_misses(&p.tasks, BROKEN));
        gw_slurm_tasks_unread(&p.tasks);
        assert_true(gw_slurm_tasks_misses(&p.tasks, UNBROKEN));
        end(&p);
        begin(&p, "0-9", NULL);
        say(&p, "{\"job\": 1, \"array\": 1, \"tasks\": \"2-9\", \"uid\": 1001}");
        assert_true(gw_slurm_tasks_misses(&p.tasks, BROKEN)); /* 0 and 1 may have run */
        assert_false(gw_slurm_tasks_misses(&p.tasks, UNBROKEN));
        end(&p);
}

static void what_was_told_before_is_not_missed(void **state)
{
        static const struct gw_span open[] = {{2, 2}, {9, 12}};
        struct place p;
        (void)state;
        begin(&p, "0-9", "2,9");
        assert_int_equal(gw_slurm_tasks_open_only(&p.tasks, open, GW_COUNT(open)), 0);
        say(&p, ENDS("2", "0")); /* it is there still */
        say(&p, RUNS("3", "2"));
        say(&p, RUNS("1", "9"));
        assert_false(gw_slurm_tasks_misses(&p.tasks, BROKEN));
        assert_string_equal(settle(&p, BROKEN), "2-2 running none, 9-9 running none");
        end(&p);
}

static struct gw_slurm_record cancelled(int64_t by)
{
        return (struct gw_slurm_record){
                .job = 1, .task = -1, .state = 4, .uid = 1001, .exit = 15, .node = "n1", .by = by};
}

static void an_end_waits_for_who_cancelled_it(void **state)
{
        (void)state;
        struct place p;
        struct gw_slurm_task *task;
        struct gw_slurm_record by_nobody = cancelled(-1), by_root = cancelled(0);
        begin(&p, NULL, NULL);
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        assert_int_equal(gw_slurm_tasks_take(&p.tasks, task, &by_nobody), 0);
        assert_true(gw_slurm_tasks_unexplained(&p.tasks, task, &by_nobody));
        gw_slurm_task_put_off(task);
        assert_string_equal(tell(&p), "0-0 ending cancelled_externally");
        assert_int_equal(gw_slurm_tasks_take(&p.tasks, task, &by_root), 0);
        assert_false(gw_slurm_tasks_unexplained(&p.tasks, task, &by_root));
        assert_string_equal(tell(&p), "0-0 ended cancelled_by_admin");
        end(&p);
}

/* It is slurmd that cancels, as root, what it could not launch. */
static void what_was_not_launched_was_not_cancelled_by_an_admin(void **state)
{
        (void)state;
        struct place p;
        struct gw_slurm_task *task;
        struct gw_slurm_record seen = cancelled(-1), accounted = cancelled(0);
        seen.exit = accounted.exit = 0;
        seen.node = accounted.node = "n1";
        begin(&p, NULL, NULL);
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        assert_int_equal(gw_slurm_tasks_take(&p.tasks, task, &seen), 0);
        gw_slurm_task_put_off(task);
        assert_int_equal(gw_slurm_tasks_take(&p.tasks, task, &accounted), 0);
        assert_string_equal(tell(&p), "0-0 ended backend_error");
        end(&p);
        begin(&p, NULL, NULL);
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        assert_int_equal(gw_slurm_tasks_take(&p.tasks, task, &accounted), 0);
        assert_string_equal(tell(&p), "0-0 ended cancelled_by_admin");
        end(&p);
}

static void an_end_that_nobody_explains_is_told_all_the_same(void **state)
{
        (void)state;
        struct place p;
        struct gw_slurm_task *task;
        struct gw_slurm_record r = cancelled(-1);
        const struct gw_span all = {0, 0};
        const struct gw_spans asked = {.items = (struct gw_span *)(uintptr_t)&all, .count = 1};
        begin(&p, NULL, NULL);
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        assert_int_equal(gw_slurm_tasks_take(&p.tasks, task, &r), 0);
        gw_slurm_task_put_off(task);
        gw_slurm_task_conclude(task);
        assert_string_equal(tell(&p), "0-0 ended cancelled_externally");
        end(&p);
        begin(&p, NULL, NULL);
        assert_int_equal(gw_slurm_tasks_cancelled(&p.tasks, &asked), 0);
        assert_int_equal(gw_slurm_tasks_own(&p.tasks, 0, &task), 0);
        assert_int_equal(gw_slurm_tasks_take(&p.tasks, task, &r), 0);
        assert_false(gw_slurm_tasks_unexplained(&p.tasks, task, &r));
        end(&p);
}

static void what_may_still_run(void **state)
{
        struct place p;
        struct gw_spans open;
        struct gw_buf text = GW_BUF_INIT(64);
        (void)state;
        begin(&p, "0-5", NULL);
        say(&p, RUNS("2", "0"));
        say(&p, ENDS("3", "1"));
        say(&p, RUNS("4", "2"));
        say(&p, WAITS("3-5"));
        assert_int_equal(gw_slurm_tasks_open(&p.tasks, &open), 0);
        gw_spans_format(&open, &text);
        assert_string_equal(text.data, "0,2-5");
        gw_spans_done(&open);
        gw_buf_done(&text);
        end(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_waits_is_told_at_once),
                cmocka_unit_test(each_that_begins_is_told_by_itself),
                cmocka_unit_test(a_run_that_slurm_began_by_itself),
                cmocka_unit_test(waiting_tasks_that_are_cancelled_vanish),
                cmocka_unit_test(the_rest_is_cancelled_as_a_whole),
                cmocka_unit_test(very_many_vanish_at_once),
                cmocka_unit_test(the_rest_may_end_otherwise),
                cmocka_unit_test(what_waits_is_not_told_before_all_was_read),
                cmocka_unit_test(the_rest_does_not_succeed_as_a_whole),
                cmocka_unit_test(the_last_that_waits_is_cancelled_before_its_neighbour_begins),
                cmocka_unit_test(what_is_asked_for_is_not_taken_for_a_failure),
                cmocka_unit_test(what_was_not_launched_was_not_cancelled_by_an_admin),
                cmocka_unit_test(what_ran_and_is_listed_again_waits),
                cmocka_unit_test(what_is_lost_is_not_before_it_was_told),
                cmocka_unit_test(only_what_is_there_is_not_lost),
                cmocka_unit_test(what_was_told_to_have_ended_is_there_again),
                cmocka_unit_test(a_run_is_not_counted_back),
                cmocka_unit_test(a_run_that_was_followed_is_put_off),
                cmocka_unit_test(absences),
                cmocka_unit_test(a_new_agent_says_all_there_is),
                cmocka_unit_test(after_a_long_absence_nobody_knows),
                cmocka_unit_test(what_ran_is_not_taken_for_cancelled),
                cmocka_unit_test(a_silent_node_keeps_its_tasks),
                cmocka_unit_test(a_plain_job_has_one_record),
                cmocka_unit_test(what_would_be_lost_is_known_before),
                cmocka_unit_test(what_was_told_before_is_not_missed),
                cmocka_unit_test(an_end_waits_for_who_cancelled_it),
                cmocka_unit_test(an_end_that_nobody_explains_is_told_all_the_same),
                cmocka_unit_test(what_may_still_run),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
