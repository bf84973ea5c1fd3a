/* Slurm's ids of a submission's tasks, and what a task's shell makes of its own. */
#include "backends/slurm/array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/model/matrix.h"

#define ALL UINT32_MAX

/* spans: as "0-4,7", or NULL: all of the job's. */
static struct gw_slurm_array array_of(const char *index_set, const char *spans, uint32_t most)
{
        struct gw_slurm_array a;
        struct gw_spans some = GW_SPANS_INIT;
        struct gw_indexset indices;
        assert_int_equal(gw_indexset_parse(index_set, &indices, NULL), 0);
        struct gw_span whole = {0, indices.count - 1};
        gw_indexset_done(&indices);
        if (spans)
                assert_int_equal(gw_spans_parse(spans, &some, NULL), 0);
        assert_int_equal(gw_slurm_array_init(&a, index_set, spans ? some.items : &whole,
                                             spans ? some.count : 1, most, NULL),
                         0);
        gw_spans_done(&some);
        return a;
}

static void check_ids(const struct gw_slurm_array *a, const char *ordinals, const char *ids)
{
        struct gw_spans some, back;
        struct gw_buf out = GW_BUF_INIT(4096);
        assert_int_equal(gw_spans_parse(ordinals, &some, NULL), 0);
        gw_slurm_array_ids(a, &some, &out);
        assert_string_equal(out.data, ids);
        assert_int_equal(gw_slurm_array_read(a, out.data, &back, NULL), 0);
        assert_true(gw_spans_equal(&some, &back));
        gw_spans_done(&some);
        gw_spans_done(&back);
        gw_buf_done(&out);
}

static void ids_are_the_indices_where_they_fit(void **state)
{
        (void)state;
        struct gw_slurm_array a = array_of("0-8:2,11,20-22", NULL, 23);
        assert_false(a.by_place);
        check_ids(&a, "0-8", "0-8:2,11,20-22");
        check_ids(&a, "1-2,5", "2-4:2,11");
        check_ids(&a, "4,7-8", "8,21-22");
        gw_slurm_array_done(&a);
        a = array_of("5-9", NULL, 0); /* not known */
        check_ids(&a, "0-4", "5-9");
        gw_slurm_array_done(&a);
}

static void else_they_are_places(void **state)
{
        (void)state;
        struct gw_slurm_array a = array_of("0-8:2,11,20-22", "2-4,6-8", 22);
        assert_true(a.by_place);
        check_ids(&a, "2-4,6-8", "0-2,3-5");
        check_ids(&a, "3,7-8", "1,4-5");
        gw_slurm_array_done(&a);
}

/* Ids rise with ordinals, and one that no task has is between two. */
static void ids_are_found_from_one_on(void **state)
{
        (void)state;
        struct gw_slurm_array a = array_of("0-8:2,11,20-22", NULL, 23);
        const uint64_t froms[][2] = {{0, 0}, {3, 2}, {8, 4}, {9, 5}, {12, 6}, {22, 8}};
        for (size_t i = 0; i < GW_COUNT(froms); i++)
                assert_int_equal(gw_slurm_array_from(&a, froms[i][0]), froms[i][1]);
        assert_true(gw_slurm_array_from(&a, 23) > UINT32_MAX);
        assert_int_equal(gw_slurm_array_id(&a, 5), 11);
        gw_slurm_array_done(&a);
        a = array_of("0-8:2,11,20-22", "2-4,6-8", 22);
        assert_int_equal(gw_slurm_array_from(&a, 3), 6);
        assert_int_equal(gw_slurm_array_id(&a, 6), 3);
        assert_true(gw_slurm_array_from(&a, 6) > UINT32_MAX);
        gw_slurm_array_done(&a);
}

static void lists_of_records(void **state)
{
        (void)state;
        static const struct {
                const char *tasks, *ordinals; /* NULL: refused */
        } cases[] = {
                {"0-9%2", "0-9"},
                {"[0-8:2]", "0,2,4,6,8"},
                {"1-2,9,4%1", "1-2,4,9"},
                {"7", "7"},
                {"0-9:3%20", "0,3,6,9"},
                {"10", NULL},
                {"5-", NULL},
                {"", NULL},
                {"3-1", NULL},
                {"1-4:0", NULL},
                {"1;2", NULL},
                {"99999999999999999999", NULL},
                {"0-4294967296", NULL},
        };
        struct gw_slurm_array a = array_of("0-9", NULL, 1001);
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_spans found;
                struct gw_buf text = GW_BUF_INIT(256);
                int rc = gw_slurm_array_read(&a, cases[i].tasks, &found, NULL);
                assert_int_equal(rc, cases[i].ordinals ? 0 : -1);
                gw_spans_format(&found, &text);
                if (rc == 0)
                        assert_string_equal(text.data, cases[i].ordinals);
                gw_spans_done(&found);
                gw_buf_done(&text);
        }
        gw_slurm_array_done(&a);
}

static void what_the_submission_has_not_has_no_ordinal(void **state)
{
        (void)state;
        uint32_t ordinal;
        struct gw_slurm_array a = array_of("10-19", "0-3,6", 1001);
        assert_int_equal(gw_slurm_array_ordinal(&a, 16, &ordinal), 0);
        assert_int_equal(ordinal, 6);
        assert_int_equal(gw_slurm_array_ordinal(&a, 14, &ordinal), -1);
        assert_int_equal(gw_slurm_array_ordinal(&a, 0, &ordinal), -1);
        gw_slurm_array_done(&a);
        a = array_of("10-19", "0-3,6", 11);
        assert_int_equal(gw_slurm_array_ordinal(&a, 4, &ordinal), 0);
        assert_int_equal(ordinal, 6);
        assert_int_equal(gw_slurm_array_ordinal(&a, 5, &ordinal), -1);
        gw_slurm_array_done(&a);
}

static void spans_of_other_tasks_are_refused(void **state)
{
        (void)state;
        static const struct gw_span wrong[] = {{0, 4}, {3, 5}, {8, 10}, {5, 4}};
        struct gw_slurm_array a;
        assert_int_equal(gw_slurm_array_init(&a, "0-9", wrong, 2, 0, NULL), -1);
        assert_int_equal(gw_slurm_array_init(&a, "0-9", wrong + 2, 1, 0, NULL), -1);
        assert_int_equal(gw_slurm_array_init(&a, "0-9", wrong + 3, 1, 0, NULL), -1);
}

static void a_plain_job_is_one_task(void **state)
{
        (void)state;
        static const struct gw_span one = {0, 0};
        struct gw_slurm_array a;
        assert_int_equal(gw_slurm_array_init(&a, NULL, &one, 1, 1001, NULL), 0);
        assert_false(a.is_array || a.by_place);
        assert_int_equal(gw_spans_total(&a.ordinals), 1);
        gw_slurm_array_done(&a);
}

/* ---- what a task finds ----------------------------------------------------------------------- */

/* What the shell prints of the lines and this one, as the task of an id. */
static void run(const char *prologue, const char *line, uint64_t id, char *out, size_t size)
{
        char path[] = "/tmp/jg-array-XXXXXX", command[128];
        int fd = mkstemp(path);
        FILE *f = fdopen(fd, "w");
        fprintf(f, "%s%s", prologue, line);
        fclose(f);
        snprintf(command, sizeof command, "SLURM_ARRAY_TASK_ID=%ju sh %s 2>&1", (uintmax_t)id,
                 path);
        f = popen(command, "r");
        size_t n = fread(out, 1, size - 1, f);
        out[n] = '\0';
        assert_int_equal(pclose(f), 0);
        unlink(path);
}

static void each_task_knows_its_index(void **state)
{
        (void)state;
        static const struct {
                const char *spans;
                uint32_t most;
                uint64_t id;
                const char *index;
        } cases[] = {
                {NULL, 1001, 7, "7"},  {NULL, 10, 0, "1"},      {NULL, 10, 3, "7"},
                {NULL, 10, 5, "100"},  {NULL, 10, 105, "200"},  {"3-4,8", 10, 0, "7"},
                {"3-4,8", 10, 1, "9"}, {"3-4,8", 10, 2, "103"},
        };
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_slurm_array a = array_of("1-9:2,100-200", cases[i].spans, cases[i].most);
                struct gw_buf lines = GW_BUF_INIT(4096);
                char out[64];
                gw_slurm_array_prologue(&a, NULL, &lines);
                run(lines.data, "printenv JOBGATE_TASK_INDEX | tr -d '\\n'", cases[i].id, out,
                    sizeof out);
                assert_string_equal(out, cases[i].index);
                gw_buf_done(&lines);
                gw_slurm_array_done(&a);
        }
}

struct wanted {
        char text[512];
        size_t len;
};

static void add_value(void *arg, const char *name, const char *value)
{
        struct wanted *w = arg;
        w->len +=
                (size_t)snprintf(w->text + w->len, sizeof w->text - w->len, "%s=%s|", name, value);
}

/* As model/matrix.h says that it is on every backend, whatever the values are. */
static void each_task_has_its_values(void **state)
{
        (void)state;
        static const char spec[] =
                "{\"a\": [\"it's\", \"$(id) `id` \\\"$HOME\\\" \\\\\", \"\\n;x\"],"
                " \"PATH\": [0.1, true, 1e-7, \"-n %s *\"],"
                " \"IFS\": [\"012345\", \"\"]}";
        json_auto_t *matrix = json_loads(spec, 0, NULL);
        struct gw_slurm_array a = array_of("0-23", "1-4,9-20,23", 20);
        struct gw_buf lines = GW_BUF_INIT(4096);
        gw_slurm_array_prologue(&a, matrix, &lines);
        for (uint64_t id = 0; id < gw_spans_total(&a.ordinals); id++) {
                struct wanted w = {.len = 0};
                char out[512];
                uint32_t ordinal = ALL;
                assert_int_equal(gw_slurm_array_ordinal(&a, id, &ordinal), 0);
                assert_int_equal(gw_task_values(&a.indices, matrix, ordinal, add_value, &w), 0);
                run(lines.data,
                    "exec /usr/bin/python3 -c 'import os; print(*(f\"{n}={os.environ[n]}|\" for n in"
                    " (\"a\", \"PATH\", \"IFS\")), sep=\"\", end=\"\")'",
                    id, out, sizeof out);
                assert_string_equal(out, w.text);
        }
        gw_buf_done(&lines);
        gw_slurm_array_done(&a);
}

static void the_lines_are_few_whatever_the_tasks(void **state)
{
        (void)state;
        json_auto_t *matrix = json_object();
        for (int name = 0; name < 3; name++) {
                char text[8];
                json_t *values = json_array();
                snprintf(text, sizeof text, "v%d", name);
                for (int i = 0; i < 100; i++)
                        json_array_append_new(values, json_integer(i));
                json_object_set_new(matrix, text, values);
        }
        struct gw_slurm_array a = array_of("0-999999", "0-999,5000-5999", 1001);
        struct gw_buf lines = GW_BUF_INIT(20000);
        gw_slurm_array_prologue(&a, matrix, &lines);
        assert_true(gw_buf_ok(&lines));
        gw_buf_done(&lines);
        gw_slurm_array_done(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ids_are_the_indices_where_they_fit),
                cmocka_unit_test(else_they_are_places),
                cmocka_unit_test(ids_are_found_from_one_on),
                cmocka_unit_test(lists_of_records),
                cmocka_unit_test(what_the_submission_has_not_has_no_ordinal),
                cmocka_unit_test(spans_of_other_tasks_are_refused),
                cmocka_unit_test(a_plain_job_is_one_task),
                cmocka_unit_test(each_task_knows_its_index),
                cmocka_unit_test(each_task_has_its_values),
                cmocka_unit_test(the_lines_are_few_whatever_the_tasks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
