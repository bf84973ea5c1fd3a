/* Which task of an array this is, for the task itself. Any thread; pure but for memory. */
#include "backends/task_index.h"

#include <inttypes.h>
#include <stdbool.h>

#include "backends/shell.h"
#include "server/model/matrix.h"

/* ---- ranges --------------------------------------------------------------------------------- */

static uint32_t length_of(const struct gw_index_run *run)
{
        return (run->last - run->first) / run->step + 1;
}

void gw_index_ranges(const struct gw_indexset *indices, const struct gw_spans *ordinals,
                     void (*give)(void *arg, const struct gw_index_range *range), void *arg)
{
        uint32_t place = 0;
        for (size_t i = 0; i < ordinals->count; i++) {
                uint32_t at = ordinals->items[i].first, last = ordinals->items[i].last;
                while (at <= last) {
                        const struct gw_index_run *run = gw_indexset_run(indices, at);
                        uint32_t left = length_of(run) - (at - run->ordinal);
                        struct gw_index_range r = {
                                .ordinal = at,
                                .place = place,
                                .count = left < last - at + 1 ? left : last - at + 1,
                                .index = run->first + (at - run->ordinal) * run->step,
                                .step = run->step,
                        };
                        give(arg, &r);
                        place += r.count;
                        at += r.count;
                }
        }
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void give_line(void *arg, const struct gw_index_range *r)
{
        gw_buf_printf(arg, "jobgate_from %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", r->place, r->index,
                      r->step);
}

/* The last line whose place is not above the task's own is the one that counts. */
void gw_task_index_lines(const struct gw_indexset *indices, const struct gw_spans *ordinals,
                         const char *place_variable, struct gw_buf *out)
{
        gw_buf_printf(out,
                      "jobgate_from() {\n"
                      "[ \"$%s\" -lt \"$1\" ] ||\n"
                      "JOBGATE_TASK_INDEX=$(($2 + (%s - $1) * $3))\n"
                      "}\n",
                      place_variable, place_variable);
        gw_index_ranges(indices, ordinals, give_line, out);
        gw_buf_str(out, "unset -f jobgate_from\nexport JOBGATE_TASK_INDEX\n");
}

/* The values of one name; `stride` tasks one after the other have the same. */
static void write_values(const char *name, const json_t *values, uint64_t stride,
                         struct gw_buf *out)
{
        struct gw_buf scratch = GW_BUF_INIT(out->max);
        size_t i;
        const json_t *value;
        gw_buf_printf(out, "case $((JOBGATE_TASK_INDEX / %" PRIu64 " %% %zu)) in\n", stride,
                      json_array_size(values));
        json_array_foreach(values, i, value)
        {
                const char *text = gw_matrix_text(value, &scratch);
                out->failed = out->failed || !text;
                gw_buf_printf(out, "%zu) export %s=", i, name);
                gw_shell_word(out, text ? text : "");
                gw_buf_str(out, " ;;\n");
        }
        gw_buf_str(out, "esac\n");
        gw_buf_done(&scratch);
}

void gw_task_values_lines(const json_t *matrix, struct gw_buf *out)
{
        const char *name;
        json_t *values;
        uint64_t stride = gw_matrix_count(matrix);
        json_object_foreach((json_t *)(uintptr_t)matrix, name, values)
        {
                stride /= json_array_size(values);
                write_values(name, values, stride, out);
        }
}
