/* See log_agenda.h. */
#include "routes/log_agenda.h"

#include <stdlib.h>

#include "server/base/cleanup.h"

static int read_sets(struct gw_log_agenda *a, const char *indices, const char *named,
                     struct gw_error *err)
{
        struct gw_spans ordinals = GW_SPANS_INIT;
        if (gw_indexset_parse(indices, &a->all, err) ||
            gw_indexset_parse(named ? named : indices, &a->some, err))
                return -1;
        int rc = gw_indexset_pick(&a->all, &a->some, &ordinals, err);
        gw_spans_done(&ordinals);
        return rc;
}

int gw_log_agenda_init(struct gw_log_agenda *a, const char *indices, const char *named,
                       struct gw_error *err)
{
        if (read_sets(a, indices, named, err))
                return -1;
        a->left = a->some.count;
        if (a->left > GW_MAX_LOG_TASKS)
                return gw_fail(err, GW_ERR_UNPROCESSABLE,
                               "these are %u tasks: name at most %d of them", a->left,
                               GW_MAX_LOG_TASKS);
        a->tasks = calloc(a->left, sizeof *a->tasks);
        return a->tasks ? 0 : gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

void gw_log_agenda_done(struct gw_log_agenda *a)
{
        gw_indexset_done(&a->all);
        gw_indexset_done(&a->some);
        free(GW_TAKE(a->tasks));
}

static struct gw_log_task *task_of(struct gw_log_agenda *a, uint32_t ordinal)
{
        uint32_t index = 0, place = 0;
        if (gw_indexset_index(&a->all, ordinal, &index) ||
            gw_indexset_ordinal(&a->some, index, &place))
                return NULL;
        return &a->tasks[place];
}

static void end(struct gw_log_agenda *a, struct gw_log_task *task)
{
        a->left -= !task->over;
        task->over = true;
        task->news = false;
}

void gw_log_agenda_see(struct gw_log_agenda *a, const struct gw_log_fact *fact)
{
        struct gw_log_task *task = task_of(a, fact->ordinal);
        int32_t started = fact->attempts - (fact->attempts > 0 && !fact->started);
        if (!task || task->over || task->open)
                return;
        if (!a->begun && started > 0) { /* of what came before, the latest */
                task->old = true;
                task->sent = started - 1;
        }
        task->news = started > task->sent;
        if (!task->news && gw_state_terminal(fact->state))
                end(a, task);
}

static bool is_left(const struct gw_log_agenda *a, uint32_t place, uint32_t from, uint32_t *ret)
{
        if (a->tasks[place].over)
                return false;
        *ret = gw_log_agenda_ordinal(a, place);
        return *ret >= from;
}

#define GAP 16 /* as many rows in between are read rather than asked past */

bool gw_log_agenda_range(const struct gw_log_agenda *a, uint32_t from, uint32_t *ret_first,
                         uint32_t *ret_last)
{
        uint32_t place = 0, next = 0;
        while (place < a->some.count && !is_left(a, place, from, ret_first))
                place++;
        if (place == a->some.count)
                return false;
        *ret_last = *ret_first;
        while (++place < a->some.count)
                if (is_left(a, place, from, &next)) {
                        if (next - *ret_last > GAP)
                                break;
                        *ret_last = next;
                }
        return true;
}

bool gw_log_agenda_next(const struct gw_log_agenda *a, uint32_t *ret_place)
{
        for (uint32_t place = 0; place < a->some.count; place++)
                if (a->tasks[place].news && !a->tasks[place].open) {
                        *ret_place = place;
                        return true;
                }
        return false;
}

uint32_t gw_log_agenda_index(const struct gw_log_agenda *a, uint32_t place)
{
        uint32_t index = 0;
        (void)gw_indexset_index(&a->some, place, &index);
        return index;
}

uint32_t gw_log_agenda_ordinal(const struct gw_log_agenda *a, uint32_t place)
{
        uint32_t ordinal = 0;
        (void)gw_indexset_ordinal(&a->all, gw_log_agenda_index(a, place), &ordinal);
        return ordinal;
}

void gw_log_agenda_over(struct gw_log_agenda *a, uint32_t place)
{
        end(a, &a->tasks[place]);
}
