/*
 * Ids by ordinal and back, and the lines by which a task knows which it is. Any thread, each array
 * on its own.
 */
#include "backends/slurm/array.h"

#include <inttypes.h>
#include <string.h>

#include "backends/task_index.h"

int gw_slurm_array_init(struct gw_slurm_array *a, const char *index_set,
                        const struct gw_span *spans, size_t span_count, uint32_t most,
                        struct gw_error *err)
{
        *a = (struct gw_slurm_array){.is_array = index_set != NULL};
        int rc = index_set ? gw_indexset_parse(index_set, &a->indices, err)
                           : gw_indexset_first(1, &a->indices, err);
        for (size_t i = 0; i < span_count && rc == 0; i++) {
                const struct gw_span *last = i > 0 ? &spans[i - 1] : NULL;
                if ((last && spans[i].first <= last->last) || spans[i].last < spans[i].first ||
                    spans[i].last >= a->indices.count)
                        rc = gw_fail(err, GW_ERR_INVALID, "these are no tasks of the job");
                else
                        rc = gw_spans_append(&a->ordinals, spans[i].first, spans[i].last, err);
        }
        if (rc) {
                gw_slurm_array_done(a);
                return -1;
        }
        gw_slurm_array_limit(a, most);
        return 0;
}

void gw_slurm_array_limit(struct gw_slurm_array *a, uint32_t most)
{
        const struct gw_index_run *top = &a->indices.runs[a->indices.run_count - 1];
        a->limited = most > 0;
        a->by_place = most > 0 && top->last >= most;
}

void gw_slurm_array_done(struct gw_slurm_array *a)
{
        gw_indexset_done(&a->indices);
        gw_spans_done(&a->ordinals);
        *a = (struct gw_slurm_array){0};
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* The place of an ordinal of the submission. */
static uint32_t place_of(const struct gw_slurm_array *a, uint32_t ordinal)
{
        uint32_t place = 0;
        for (size_t i = 0; i < a->ordinals.count; i++) {
                const struct gw_span *span = &a->ordinals.items[i];
                if (ordinal <= span->last)
                        return place + ordinal - span->first;
                place += span->last - span->first + 1;
        }
        return place;
}

static void write_ids(struct gw_buf *out, uint32_t first, uint32_t count, uint32_t step)
{
        if (out->len > 0)
                gw_buf_char(out, ',');
        gw_buf_int(out, first);
        if (count == 1)
                return;
        gw_buf_char(out, '-');
        gw_buf_int(out, first + (count - 1) * step);
        if (step > 1)
                gw_buf_printf(out, ":%" PRIu32, step);
}

static void give_indices(void *arg, const struct gw_index_range *r)
{
        write_ids(arg, r->index, r->count, r->step);
}

void gw_slurm_array_ids(const struct gw_slurm_array *a, const struct gw_spans *ordinals,
                        struct gw_buf *out)
{
        if (!a->by_place) {
                gw_index_ranges(&a->indices, ordinals, give_indices, out);
                return;
        }
        for (size_t i = 0; i < ordinals->count; i++) {
                const struct gw_span *span = &ordinals->items[i];
                write_ids(out, place_of(a, span->first), span->last - span->first + 1, 1);
        }
}

static int ordinal_at(const struct gw_slurm_array *a, uint64_t place, uint32_t *ret)
{
        for (size_t i = 0; i < a->ordinals.count; i++) {
                const struct gw_span *span = &a->ordinals.items[i];
                uint64_t length = (uint64_t)span->last - span->first + 1;
                if (place < length) {
                        *ret = span->first + (uint32_t)place;
                        return 0;
                }
                place -= length;
        }
        return -1;
}

int gw_slurm_array_ordinal(const struct gw_slurm_array *a, uint64_t id, uint32_t *ret)
{
        uint32_t ordinal;
        if (a->by_place)
                return ordinal_at(a, id, ret);
        if (id > GW_MAX_INDEX || gw_indexset_ordinal(&a->indices, (uint32_t)id, &ordinal) ||
            !gw_spans_contains(&a->ordinals, ordinal))
                return -1;
        *ret = ordinal;
        return 0;
}

uint32_t gw_slurm_array_id(const struct gw_slurm_array *a, uint32_t ordinal)
{
        uint32_t index = 0;
        if (a->by_place)
                return place_of(a, ordinal);
        (void)gw_indexset_index(&a->indices, ordinal, &index);
        return index;
}

uint64_t gw_slurm_array_from(const struct gw_slurm_array *a, uint64_t id)
{
        uint32_t ordinal, low = 0, high = a->indices.count;
        if (a->by_place)
                return ordinal_at(a, id, &ordinal) ? UINT64_MAX : ordinal;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (gw_slurm_array_id(a, middle) < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < a->indices.count ? low : UINT64_MAX;
}

/* ---- a record's list ------------------------------------------------------------------------- */

/* Takes digits off the text. Returns whether there were some, and no more than a number holds. */
static bool take_number(const char **text, uint64_t *ret)
{
        const char *p = *text;
        for (*ret = 0; *p >= '0' && *p <= '9' && *ret <= GW_MAX_INDEX; p++)
                *ret = *ret * 10 + (uint64_t)(*p - '0');
        bool some = p > *text && *ret <= GW_MAX_INDEX;
        *text = p;
        return some;
}

/* "7", "0-99" or "0-900:3". */
static bool take_part(const char **text, uint64_t *first, uint64_t *last, uint64_t *step)
{
        *step = 1;
        if (!take_number(text, first))
                return false;
        *last = *first;
        if (**text == '-' && (++*text, !take_number(text, last)))
                return false;
        if (**text == ':' && (++*text, !take_number(text, step)))
                return false;
        return *last >= *first && *step > 0;
}

static int add_ids(const struct gw_slurm_array *a, uint64_t first, uint64_t last, uint64_t step,
                   struct gw_spans *ret, struct gw_error *err)
{
        for (uint64_t id = first; id <= last; id += step) {
                uint32_t ordinal;
                if (gw_slurm_array_ordinal(a, id, &ordinal))
                        return gw_fail(err, GW_ERR_INVALID, "no task has the id %" PRIu64, id);
                if (gw_spans_gather(ret, ordinal, ordinal, err))
                        return -1;
                /* Neighbours become one at once: a list of a million is no longer than this. */
                struct gw_span *top = &ret->items[ret->count - 1];
                if (ret->count > 1 && top[-1].last + 1 == ordinal) {
                        top[-1].last = ordinal;
                        ret->count--;
                }
        }
        return 0;
}

static int read_tasks(const struct gw_slurm_array *a, const char *text, struct gw_spans *ret,
                      struct gw_error *err)
{
        uint64_t first, last, step;
        text += *text == '[';
        do {
                if (!take_part(&text, &first, &last, &step))
                        return gw_fail(err, GW_ERR_INVALID, "this is no list of tasks");
                if (add_ids(a, first, last, step, ret, err))
                        return -1;
        } while (*text == ',' && *++text);
        /* What is behind it is how many may run at once. */
        return *text && !strchr("%]", *text)
                       ? gw_fail(err, GW_ERR_INVALID, "this is no list of tasks")
                       : 0;
}

int gw_slurm_array_read(const struct gw_slurm_array *a, const char *tasks, struct gw_spans *ret,
                        struct gw_error *err)
{
        *ret = GW_SPANS_INIT;
        if (read_tasks(a, tasks, ret, err)) {
                gw_spans_done(ret);
                return -1;
        }
        gw_spans_settle(ret);
        return 0;
}

/* ---- the prologue ---------------------------------------------------------------------------- */

void gw_slurm_array_prologue(const struct gw_slurm_array *a, const json_t *matrix,
                             struct gw_buf *out)
{
        if (a->by_place)
                gw_task_index_lines(&a->indices, &a->ordinals, "SLURM_ARRAY_TASK_ID", out);
        else
                gw_buf_str(out, "export JOBGATE_TASK_INDEX=$SLURM_ARRAY_TASK_ID\n");
        gw_task_values_lines(matrix, out);
}
