/*
 * What the property tests in Python ask of the model: a question a line on standard input, its
 * answer a line on standard output, both JSON. A question is ["verb", argument …]; a refusal is
 * {"error": "…"}. Spans are [[first, last], …]. What is asked wrongly ends the program.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openapi/schemas.h"
#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/model/decode.h"
#include "server/model/directives.h"
#include "server/model/indexset.h"
#include "server/model/json.h"
#include "server/model/matrix.h"
#include "server/model/spans.h"
#include "server/model/spec.h"

#define NOW (INT64_C(1795004800) * GW_SECOND)

static void expect(bool good, const char *what)
{
        if (good)
                return;
        fprintf(stderr, "answers: %s\n", what);
        exit(2);
}

/* ---- arguments and answers ----------------------------------------------------------------- */

static const char *text_at(const json_t *question, size_t i)
{
        const char *text = json_string_value(json_array_get(question, i));
        expect(text != NULL, "a text is missing");
        return text;
}

static uint32_t number_at(const json_t *list, size_t i)
{
        const json_t *n = json_array_get(list, i);
        expect(json_is_integer(n), "a number is missing");
        return (uint32_t)json_integer_value(n);
}

static struct gw_spans spans_at(const json_t *question, size_t i)
{
        struct gw_spans spans = GW_SPANS_INIT;
        size_t k;
        const json_t *span;
        json_array_foreach(json_array_get(question, i), k, span)
        {
                expect(gw_spans_append(&spans, number_at(span, 0), number_at(span, 1), NULL) == 0,
                       "no memory");
        }
        return spans;
}

static json_t *refusal(const struct gw_error *err)
{
        return json_pack("{s:s}", "error", err->message);
}

static json_t *show_spans(struct gw_spans *spans)
{
        json_t *list = json_array();
        for (size_t i = 0; i < spans->count; i++)
                json_array_append_new(list, json_pack("[I,I]", (json_int_t)spans->items[i].first,
                                                      (json_int_t)spans->items[i].last));
        gw_spans_done(spans);
        return list;
}

static json_t *show_text(struct gw_buf *text)
{
        json_t *shown = json_stringn(text->data ? text->data : "", text->len);
        gw_buf_done(text);
        return shown;
}

static json_t *set_text(const struct gw_indexset *set)
{
        struct gw_buf text = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
        gw_indexset_format(set, &text);
        return show_text(&text);
}

/* ---- index sets ---------------------------------------------------------------------------- */

/* Its text, and each index by its ordinal. */
static json_t *show_set(struct gw_indexset *set)
{
        json_t *indices = json_array(), *text = set_text(set);
        for (uint32_t i = 0; i < set->count; i++) {
                uint32_t index, ordinal;
                expect(gw_indexset_index(set, i, &index) == 0, "an ordinal without an index");
                expect(gw_indexset_ordinal(set, index, &ordinal) == 0 && ordinal == i,
                       "an index without its ordinal");
                json_array_append_new(indices, json_integer(index));
        }
        gw_indexset_done(set);
        return json_pack("{s:o, s:o}", "text", text, "indices", indices);
}

static json_t *answer_set(const json_t *question)
{
        struct gw_indexset set;
        struct gw_error err = {0};
        return gw_indexset_parse(text_at(question, 1), &set, &err) ? refusal(&err) : show_set(&set);
}

static struct gw_indexset set_at(const json_t *question, size_t i)
{
        struct gw_indexset set;
        expect(gw_indexset_parse(text_at(question, i), &set, NULL) == 0, "no index set");
        return set;
}

static json_t *look_up(const json_t *question,
                       int (*find)(const struct gw_indexset *, uint32_t, uint32_t *))
{
        struct gw_indexset set = set_at(question, 1);
        uint32_t found;
        int rc = find(&set, number_at(question, 2), &found);
        gw_indexset_done(&set);
        return rc ? json_null() : json_integer(found);
}

static json_t *answer_ordinal(const json_t *question)
{
        return look_up(question, gw_indexset_ordinal);
}

static json_t *answer_index(const json_t *question)
{
        return look_up(question, gw_indexset_index);
}

static json_t *answer_pick(const json_t *question)
{
        struct gw_indexset all = set_at(question, 1), some = set_at(question, 2);
        struct gw_spans spans;
        struct gw_error err = {0};
        int rc = gw_indexset_pick(&all, &some, &spans, &err);
        gw_indexset_done(&all);
        gw_indexset_done(&some);
        return rc ? refusal(&err) : show_spans(&spans);
}

static json_t *answer_subset(const json_t *question)
{
        struct gw_indexset all = set_at(question, 1), set;
        struct gw_spans ordinals = spans_at(question, 2);
        struct gw_error err = {0};
        int rc = gw_indexset_subset(&all, &ordinals, &set, &err);
        gw_indexset_done(&all);
        gw_spans_done(&ordinals);
        return rc ? refusal(&err) : show_set(&set);
}

/* ---- spans --------------------------------------------------------------------------------- */

static json_t *answer_intersect(const json_t *question)
{
        struct gw_spans a = spans_at(question, 1), b = spans_at(question, 2), both;
        expect(gw_spans_intersect(&a, &b, &both, NULL) == 0, "no memory");
        gw_spans_done(&a);
        gw_spans_done(&b);
        return show_spans(&both);
}

static json_t *answer_put(const json_t *question)
{
        struct gw_spans spans = spans_at(question, 1);
        expect(gw_spans_put(&spans, number_at(question, 2)) == 0, "no memory");
        return show_spans(&spans);
}

/* Whether it was taken, and what is left. */
static json_t *answer_take(const json_t *question)
{
        struct gw_spans spans = spans_at(question, 1);
        struct gw_span span = {number_at(question, 2), number_at(question, 3)};
        int taken = gw_spans_take(&spans, span);
        expect(taken >= 0, "no memory");
        return json_pack("{s:b, s:o}", "taken", taken, "left", show_spans(&spans));
}

static json_t *answer_total(const json_t *question)
{
        struct gw_spans spans = spans_at(question, 1);
        uint64_t total = gw_spans_total(&spans);
        gw_spans_done(&spans);
        return json_integer((json_int_t)total);
}

static json_t *answer_contains(const json_t *question)
{
        struct gw_spans spans = spans_at(question, 1);
        bool contains = gw_spans_contains(&spans, number_at(question, 2));
        gw_spans_done(&spans);
        return json_boolean(contains);
}

/* Their text, and what is read back from it. */
static json_t *answer_record(const json_t *question)
{
        struct gw_spans spans = spans_at(question, 1), again;
        struct gw_buf out = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
        gw_spans_format(&spans, &out);
        gw_spans_done(&spans);
        json_t *text = show_text(&out);
        expect(gw_spans_parse(json_string_value(text), &again, NULL) == 0,
               "the text of spans cannot be read");
        return json_pack("{s:o, s:o}", "text", text, "spans", show_spans(&again));
}

/* ---- the tasks of a spec ------------------------------------------------------------------- */

static void put_value(void *task, const char *name, const char *value)
{
        json_array_append_new(task, json_pack("[s,s]", name, value));
}

/* Of each task its index and its values: [[index, [[name, value], …]], …]. */
static json_t *show_tasks(const struct gw_spec *spec)
{
        json_t *tasks = json_array();
        for (uint32_t i = 0; i < spec->task_count; i++) {
                json_t *values = json_array();
                uint32_t index;
                expect(gw_indexset_index(&spec->indices, i, &index) == 0 &&
                               gw_task_values(&spec->indices, spec->matrix, i, put_value, values) ==
                                       0,
                       "a task that is not there");
                json_array_append_new(tasks, json_pack("[I,o]", (json_int_t)index, values));
        }
        return tasks;
}

static bool resolve(const char *text, struct gw_spec *ret, struct gw_faults *faults)
{
        json_auto_t *json = gw_json_parse(text, strlen(text), faults);
        return json && gw_decode(&gw_schema_JobSpec, json, "", faults) == 0 &&
               gw_spec_resolve(json, false, NOW, ret, NULL, faults) == 0;
}

/* The tasks of a request's spec, and of what is stored of it. */
static json_t *answer_tasks(const json_t *question)
{
        static struct gw_faults faults;
        struct gw_spec spec, stored;
        gw_faults_init(&faults);
        if (!resolve(text_at(question, 1), &spec, &faults))
                return json_pack("{s:s, s:s}", "error", faults.items[0].detail, "pointer",
                                 faults.items[0].pointer);
        expect(gw_spec_load(spec.text, spec.text_len, &stored, NULL) == 0, "no stored spec");
        json_t *answer = json_pack("{s:o, s:o, s:s}", "tasks", show_tasks(&spec), "stored",
                                   show_tasks(&stored), "spec", spec.text);
        gw_spec_done(&spec);
        gw_spec_done(&stored);
        return answer;
}

/* What sbatch reads in a script: the name, the array and where it may start, each null where there
 * is none. */
static json_t *answer_directives(const json_t *question)
{
        struct gw_directives d;
        struct gw_error err = {0};
        struct gw_buf indices = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
        uint32_t most = 0;
        expect(gw_directives_read(text_at(question, 1), &d) == 0, "no memory");
        bool good = !d.array || gw_directives_array(d.array, &indices, &most, &err) == 0;
        json_t *answer =
                good ? json_pack("{s:s?, s:s?, s:I, s:s?, s:s?, s:s?}", "name", d.name, "indices",
                                 indices.data, "max_parallel", (json_int_t)most, "partition",
                                 d.partition, "time", d.time, "account", d.account)
                     : refusal(&err);
        gw_buf_done(&indices);
        gw_directives_done(&d);
        return answer;
}

/* As text: it may be more than a JSON number holds. */
static json_t *answer_count(const json_t *question)
{
        char text[24];
        snprintf(text, sizeof text, "%" PRIu64, gw_matrix_count(json_array_get(question, 1)));
        return json_string(text);
}

static const struct {
        const char *verb;
        json_t *(*answer)(const json_t *question);
} verbs[] = {
        {"set", answer_set},       {"ordinal", answer_ordinal},
        {"index", answer_index},   {"pick", answer_pick},
        {"subset", answer_subset}, {"intersect", answer_intersect},
        {"put", answer_put},       {"take", answer_take},
        {"total", answer_total},   {"contains", answer_contains},
        {"record", answer_record}, {"tasks", answer_tasks},
        {"count", answer_count},   {"directives", answer_directives},
};

static json_t *answer(const json_t *question)
{
        const char *verb = text_at(question, 0);
        for (size_t i = 0; i < GW_COUNT(verbs); i++)
                if (strcmp(verbs[i].verb, verb) == 0)
                        return verbs[i].answer(question);
        expect(false, "no such verb");
        return NULL;
}

int main(void)
{
        char *line = NULL;
        size_t cap = 0;
        while (getline(&line, &cap, stdin) > 0) {
                json_auto_t *question = json_loads(line, 0, NULL);
                json_auto_t *said = answer(question);
                gw_autofree char *text = json_dumps(said, JSON_COMPACT | JSON_ENCODE_ANY);
                expect(text != NULL, "no answer");
                puts(text);
                fflush(stdout);
        }
        free(line);
        return 0;
}
