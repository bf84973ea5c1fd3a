/* Tasks by record, and what becomes of those that have none. Any thread, each set on its own. */
#include "backends/slurm/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/state.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

static const char gone_words[] = "slurmctld does not know the job any more";
static const char vanished_words[] = "CANCELLED";

/* ---- views ----------------------------------------------------------------------------------- */

static void view_done(struct gw_slurm_view *v)
{
        free(v->node);
        free(v->words);
        v->node = v->words = NULL;
}

static int set_text(char **ret, const char *text)
{
        char *copy = text && text[0] ? strdup(text) : NULL;
        if (text && text[0] && !copy)
                return -1;
        free(*ret);
        *ret = copy;
        return 0;
}

static int copy_view(struct gw_slurm_view *to, const struct gw_slurm_view *from)
{
        *to = *from;
        to->node = to->words = NULL;
        return set_text(&to->node, from->node) || set_text(&to->words, from->words) ? -1 : 0;
}

static void end_view(struct gw_slurm_view *v, enum gw_reason reason, int64_t ended_us)
{
        v->phase = GW_PHASE_ENDED;
        v->reason = reason;
        v->exit_code = -1;
        v->signal = 0;
        v->silent_s = 0;
        v->ended_us = ended_us;
}

static int64_t microseconds(int64_t seconds)
{
        return seconds > 0 ? seconds * GW_SECOND : 0;
}

/* Only accounting says who cancelled it, and only the cluster's administrators can cancel what is
 * another's; where we asked for it, the engine knows for whom. */
static enum gw_reason reason_of(const struct gw_slurm_meaning *m, const struct gw_slurm_record *r,
                                bool cancelling)
{
        if (m->refused)
                return GW_REASON_REJECTED;
        if (!m->by_somebody || (!cancelling && r->by < 0))
                return m->reason;
        return cancelling || r->by == r->uid ? GW_REASON_CANCELLED_EXTERNALLY
                                             : GW_REASON_CANCELLED_BY_ADMIN;
}

/* What the controller told to have ended before it began, and root cancelled: that was slurmd,
 * which could not launch it. What accounting alone knows of does not say so. */
static bool was_not_launched(const struct gw_slurm_view *v, const struct gw_slurm_record *r)
{
        return v->reason == GW_REASON_BACKEND_ERROR && r->by == 0;
}

/* Whoever may know that a node is dead is told which. */
static int set_words(struct gw_slurm_view *v, const struct gw_slurm_meaning *m,
                     const struct gw_slurm_record *r)
{
        char words[512];
        if (!m->node_silent || !r->node)
                return set_text(&v->words, m->words);
        snprintf(words, sizeof words, "%.96s: %.384s is silent", m->words, r->node);
        return set_text(&v->words, words);
}

static int read_view(struct gw_slurm_view *v, const struct gw_slurm_record *r, bool cancelling)
{
        struct gw_slurm_meaning m = gw_slurm_meaning(r);
        if (m.phase == GW_PHASE_ENDED)
                v->before = GW_REASON_NONE;
        else if (r->restart > v->restart)
                v->before = m.before;
        v->phase = m.phase;
        if (cancelling || !was_not_launched(v, r))
                v->reason = reason_of(&m, r, cancelling);
        v->silent_s = m.node_silent ? r->end_s : 0;
        v->exit_code = m.exit_code;
        v->signal = m.signal;
        if (r->restart > v->restart)
                v->restart = r->restart; /* accounting does not say it */
        v->pending_us = microseconds(r->submit_s);
        v->started_us = m.phase == GW_PHASE_PENDING ? 0 : microseconds(r->start_s);
        v->ended_us = m.phase == GW_PHASE_ENDED ? microseconds(r->end_s) : 0;
        return set_text(&v->node, r->node) || set_words(v, &m, r) ? -1 : 0;
}

/* ---- the set --------------------------------------------------------------------------------- */

static int copy_spans(struct gw_spans *to, const struct gw_span *spans, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (gw_spans_append(to, spans[i].first, spans[i].last, NULL))
                        return -1;
        return 0;
}

int gw_slurm_tasks_init(struct gw_slurm_tasks *t, const struct gw_spans *ordinals,
                        const struct gw_span *begun, size_t begun_count)
{
        *t = (struct gw_slurm_tasks){.rest = {.exit_code = -1}};
        if (copy_spans(&t->waiting, ordinals->items, ordinals->count) == 0 &&
            copy_spans(&t->begun, begun, begun_count) == 0)
                return 0;
        gw_slurm_tasks_done(t);
        return -1;
}

int gw_slurm_tasks_open_only(struct gw_slurm_tasks *t, const struct gw_span *open, size_t count)
{
        const struct gw_spans only = {.items = (struct gw_span *)(uintptr_t)open, .count = count};
        struct gw_spans waiting = GW_SPANS_INIT;
        if (gw_spans_intersect(&t->waiting, &only, &waiting, NULL))
                return -1;
        gw_spans_done(&t->waiting);
        t->waiting = waiting;
        return 0;
}

static void task_free(struct gw_slurm_task *task)
{
        if (task->number)
                LIST_REMOVE(task, by_number);
        view_done(&task->view);
        free(task);
}

void gw_slurm_tasks_done(struct gw_slurm_tasks *t)
{
        for (size_t i = 0; i < t->count; i++)
                task_free(t->items[i]);
        free(t->items);
        gw_spans_done(&t->waiting);
        gw_spans_done(&t->begun);
        gw_spans_done(&t->cancelling);
        gw_spans_done(&t->listed);
        view_done(&t->rest);
        *t = (struct gw_slurm_tasks){0};
}

bool gw_slurm_tasks_over(const struct gw_slurm_tasks *t)
{
        return t->waiting.count == 0 && t->count == 0;
}

bool gw_slurm_tasks_wait(const struct gw_slurm_tasks *t)
{
        if (t->waiting.count > 0)
                return true;
        for (size_t i = 0; i < t->count; i++)
                if (t->items[i]->view.phase == GW_PHASE_PENDING)
                        return true;
        return false;
}

int gw_slurm_tasks_open(const struct gw_slurm_tasks *t, struct gw_spans *ret)
{
        *ret = GW_SPANS_INIT;
        int rc = copy_spans(ret, t->waiting.items, t->waiting.count);
        for (size_t i = 0; i < t->count && rc == 0; i++)
                if (t->items[i]->view.phase != GW_PHASE_ENDED)
                        rc = gw_spans_gather(ret, t->items[i]->span.first, t->items[i]->span.last,
                                             NULL);
        gw_spans_settle(ret);
        if (rc)
                gw_spans_done(ret);
        return rc;
}

int gw_slurm_tasks_cancelled(struct gw_slurm_tasks *t, const struct gw_spans *spans)
{
        int rc = 0;
        for (size_t i = 0; i < spans->count && rc == 0; i++)
                rc = gw_spans_gather(&t->cancelling, spans->items[i].first, spans->items[i].last,
                                     NULL);
        gw_spans_settle(&t->cancelling);
        return rc;
}

/* The place of the first that is not below the ordinal. */
static size_t place_of(const struct gw_slurm_tasks *t, uint32_t ordinal)
{
        size_t low = 0, high = t->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (t->items[middle]->span.last < ordinal)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int grow(struct gw_slurm_tasks *t)
{
        size_t cap = t->cap ? t->cap * 2 : 4;
        struct gw_slurm_task **items = realloc(t->items, cap * sizeof(*items));
        if (!items)
                return -1;
        t->items = items;
        t->cap = cap;
        return 0;
}

/* A task of some that waited. NULL without memory. */
static struct gw_slurm_task *add(struct gw_slurm_tasks *t, struct gw_span span)
{
        size_t at = place_of(t, span.first);
        struct gw_slurm_task *task = NULL;
        if (t->count < t->cap || grow(t) == 0)
                task = calloc(1, sizeof *task);
        if (!task)
                return NULL;
        task->span = span;
        task->view.exit_code = -1;
        memmove(t->items + at + 1, t->items + at, (t->count - at) * sizeof(*t->items));
        t->items[at] = task;
        t->count++;
        return task;
}

static void remove_at(struct gw_slurm_tasks *t, size_t at)
{
        task_free(t->items[at]);
        t->count--;
        memmove(t->items + at, t->items + at + 1, (t->count - at) * sizeof(*t->items));
}

/* Nobody was told yet that it is lost. */
static bool is_lost(const struct gw_slurm_tasks *t, const struct gw_slurm_task *task)
{
        (void)t;
        return task->untold && task->view.phase == GW_PHASE_ENDED &&
               task->view.reason == GW_REASON_LOST;
}

/* Its record is not there any more. */
static bool is_gone(const struct gw_slurm_task *task)
{
        const struct gw_slurm_view *v = &task->view;
        return !task->found && v->phase != GW_PHASE_ENDED && v->silent_s == 0;
}

static bool waits_again(const struct gw_slurm_tasks *t, const struct gw_slurm_task *task)
{
        return (is_gone(task) || is_lost(t, task)) &&
               gw_spans_contains(&t->listed, task->span.first);
}

static bool is_missing(const struct gw_slurm_tasks *t, const struct gw_slurm_task *task)
{
        return is_gone(task) && !waits_again(t, task);
}

/* Those that were kept by themselves wait as the others do. Returns 0, or -1 without memory, and
 * some do not. */
static int take_back(struct gw_slurm_tasks *t, bool (*which)(const struct gw_slurm_tasks *t,
                                                             const struct gw_slurm_task *task))
{
        size_t kept = 0;
        int rc = 0;
        for (size_t i = 0; i < t->count; i++) {
                struct gw_slurm_task *task = t->items[i];
                bool back = rc == 0 && which(t, task);
                if (back)
                        rc = gw_spans_gather(&t->waiting, task->span.first, task->span.last, NULL);
                if (back && rc == 0)
                        task_free(task);
                else
                        t->items[kept++] = task;
        }
        if (kept < t->count) {
                gw_spans_settle(&t->waiting);
                t->rest_changed = true;
        }
        t->count = kept;
        return rc;
}

/* The task at `at`, which was lost, is there again: by itself with what is known of its runs; of
 * several that waited those wait again, and *ret is NULL. Returns 0, or -1 without memory. */
static int find_again(struct gw_slurm_tasks *t, size_t at, struct gw_slurm_task **ret)
{
        struct gw_slurm_task *task = t->items[at];
        *ret = NULL;
        if (task->span.first == task->span.last) {
                task->view.phase = task->view.started_us ? GW_PHASE_RUNNING : GW_PHASE_PENDING;
                task->view.reason = GW_REASON_NONE;
                task->view.ended_us = 0;
                *ret = task;
                return 0;
        }
        if (gw_spans_gather(&t->waiting, task->span.first, task->span.last, NULL))
                return -1;
        gw_spans_settle(&t->waiting);
        t->rest_changed = true;
        remove_at(t, at);
        return 0;
}

/* ---- records --------------------------------------------------------------------------------- */

int gw_slurm_tasks_own(struct gw_slurm_tasks *t, uint32_t ordinal, struct gw_slurm_task **ret)
{
        size_t at = place_of(t, ordinal);
        *ret = NULL;
        bool kept = at < t->count && t->items[at]->span.first <= ordinal;
        if (kept && is_lost(t, t->items[at])) {
                if (find_again(t, at, ret) || *ret)
                        return *ret ? 0 : -1;
        } else if (kept) {
                if (t->items[at]->view.phase != GW_PHASE_ENDED)
                        *ret = t->items[at];
                return 0;
        }
        if (!gw_spans_contains(&t->waiting, ordinal))
                return 0;
        struct gw_span span = {ordinal, ordinal};
        struct gw_slurm_task *task = add(t, span);
        if (!task)
                return -1;
        if (gw_spans_take(&t->waiting, span) < 0) {
                remove_at(t, place_of(t, ordinal));
                return -1;
        }
        *ret = task;
        return 0;
}

int gw_slurm_tasks_take(struct gw_slurm_tasks *t, struct gw_slurm_task *task,
                        const struct gw_slurm_record *r)
{
        bool cancelling = gw_spans_contains(&t->cancelling, task->span.first);
        uint32_t restart = task->view.restart;
        bool ran = task->view.started_us != 0;
        task->found = task->untold = true;
        task->unexplained = false;
        t->changed = true;
        int rc = read_view(&task->view, r, cancelling);
        if (ran && task->view.restart > restart && task->view.before == GW_REASON_NONE)
                task->followed = true;
        return rc;
}

int gw_slurm_tasks_take_rest(struct gw_slurm_tasks *t, struct gw_spans *listed,
                             const struct gw_slurm_record *r)
{
        bool cancelling = t->cancelling.count > 0;
        int rc = read_view(&t->rest, r, cancelling);
        gw_spans_done(&t->listed);
        t->listed = *listed;
        *listed = GW_SPANS_INIT;
        t->head = t->rest.phase == GW_PHASE_ENDED ? GW_SLURM_HEAD_ENDED : GW_SLURM_HEAD_WAITS;
        t->rest_changed = t->changed = true;
        return rc;
}

void gw_slurm_tasks_head(struct gw_slurm_tasks *t, enum gw_slurm_head head)
{
        gw_spans_done(&t->listed);
        t->head = head;
        t->changed = true;
}

void gw_slurm_tasks_unread(struct gw_slurm_tasks *t)
{
        gw_slurm_tasks_head(t, GW_SLURM_HEAD_NONE);
        for (size_t i = 0; i < t->count; i++)
                t->items[i]->found = false;
}

bool gw_slurm_tasks_unexplained(const struct gw_slurm_tasks *t, const struct gw_slurm_task *task,
                                const struct gw_slurm_record *r)
{
        return task->view.phase == GW_PHASE_ENDED && r->by < 0 && gw_slurm_meaning(r).by_somebody &&
               !gw_spans_contains(&t->cancelling, task->span.first);
}

void gw_slurm_task_put_off(struct gw_slurm_task *task)
{
        task->view.phase = GW_PHASE_ENDING;
        task->unexplained = true;
}

void gw_slurm_task_conclude(struct gw_slurm_task *task)
{
        task->view.phase = GW_PHASE_ENDED;
        task->unexplained = false;
        task->untold = true;
}

void gw_slurm_task_followed(struct gw_slurm_task *task, enum gw_reason before)
{
        task->followed = false;
        if (task->view.phase != GW_PHASE_ENDED)
                task->view.before = before;
}

/* ---- what is not there ----------------------------------------------------------------------- */

enum truth { NO, YES, EITHER };

#define HEAD(which) (1U << GW_SLURM_HEAD_##which)
#define ANY_HEAD (HEAD(NONE) | HEAD(WAITS) | HEAD(ENDED) | HEAD(TASK))

/* The first row that fits decides. */
static const struct absence {
        enum truth listed, begun, unbroken;
        unsigned heads;
        enum gw_slurm_absence means;
} absences[] = {
        {YES, EITHER, EITHER, HEAD(WAITS), GW_SLURM_WAITS},
        {YES, EITHER, EITHER, HEAD(ENDED), GW_SLURM_ENDED_WITH_THE_REST},
        /* The controller lost it, or it ended so long ago that it was forgotten. */
        {EITHER, EITHER, EITHER, HEAD(NONE), GW_SLURM_LOST},
        /* What had begun had a record, which is forgotten; what had not may have, unseen. */
        {EITHER, YES, EITHER, ANY_HEAD, GW_SLURM_LOST},
        {EITHER, EITHER, NO, ANY_HEAD, GW_SLURM_LOST},
        /* A record that ended sometimes lists nothing any more. */
        {NO, NO, YES, HEAD(ENDED), GW_SLURM_ENDED_WITH_THE_REST},
        {EITHER, NO, YES, ANY_HEAD, GW_SLURM_CANCELLED},
};

static bool fits(enum truth wanted, bool is)
{
        return wanted == EITHER || (wanted == YES) == is;
}

enum gw_slurm_absence gw_slurm_absence_of(bool listed, enum gw_slurm_head head, bool begun,
                                          bool unbroken)
{
        for (size_t i = 0; i < GW_COUNT(absences); i++) {
                const struct absence *row = &absences[i];
                if (fits(row->listed, listed) && fits(row->begun, begun) &&
                    fits(row->unbroken, unbroken) && (row->heads & 1U << head))
                        return row->means;
        }
        return GW_SLURM_LOST;
}

/* Success is believed of a task's own record alone. */
static enum gw_slurm_absence absence_in(const struct gw_slurm_tasks *t, bool listed, bool begun,
                                        bool unbroken)
{
        enum gw_slurm_absence absence = gw_slurm_absence_of(listed, t->head, begun, unbroken);
        bool with_rest = absence == GW_SLURM_ENDED_WITH_THE_REST;
        return with_rest && t->rest.reason == GW_REASON_COMPLETED ? GW_SLURM_LOST : absence;
}

/* These wait no more, and nothing will be heard of them: there may be very many, so they leave the
 * others at once. Returns 0, or -1 without memory. */
static int end_spans(struct gw_slurm_tasks *t, const struct gw_spans *spans,
                     const struct gw_slurm_view *view)
{
        struct gw_spans left;
        int rc = gw_spans_without(&t->waiting, spans, &left, NULL);
        for (size_t i = 0; i < spans->count && rc == 0; i++) {
                struct gw_slurm_task *task = add(t, spans->items[i]);
                rc = task ? copy_view(&task->view, view) : -1;
                if (task)
                        task->untold = true;
        }
        if (rc) {
                gw_spans_done(&left);
                return -1;
        }
        gw_spans_done(&t->waiting);
        t->waiting = left;
        return 0;
}

static int lose_spans(struct gw_slurm_tasks *t, const struct gw_spans *spans, const char *words)
{
        struct gw_slurm_view view = {.words = (char *)(uintptr_t)words};
        end_view(&view, GW_REASON_LOST, 0);
        return end_spans(t, spans, &view);
}

static int cancel_spans(struct gw_slurm_tasks *t, const struct gw_spans *spans)
{
        struct gw_slurm_view view = {.pending_us = t->rest.pending_us,
                                     .words = (char *)(uintptr_t)vanished_words};
        end_view(&view, GW_REASON_CANCELLED_EXTERNALLY, 0);
        return end_spans(t, spans, &view);
}

static int conclude(struct gw_slurm_tasks *t, const struct gw_spans *spans,
                    enum gw_slurm_absence absence)
{
        switch (absence) {
        case GW_SLURM_ENDED_WITH_THE_REST:
                return end_spans(t, spans, &t->rest);
        case GW_SLURM_CANCELLED:
                return cancel_spans(t, spans);
        case GW_SLURM_LOST:
                return lose_spans(t, spans, gone_words);
        default:
                return 0;
        }
}

/* What waits, by what the table has of it. */
struct waiting {
        struct gw_spans listed, begun, others;
};

static void waiting_done(struct waiting *w)
{
        gw_spans_done(&w->listed);
        gw_spans_done(&w->begun);
        gw_spans_done(&w->others);
}

static int waiting_init(struct waiting *w, const struct gw_slurm_tasks *t)
{
        struct gw_spans rest = GW_SPANS_INIT;
        *w = (struct waiting){GW_SPANS_INIT, GW_SPANS_INIT, GW_SPANS_INIT};
        int rc = gw_spans_intersect(&t->waiting, &t->listed, &w->listed, NULL) ||
                 gw_spans_without(&t->waiting, &t->listed, &rest, NULL) ||
                 gw_spans_intersect(&rest, &t->begun, &w->begun, NULL) ||
                 gw_spans_without(&rest, &t->begun, &w->others, NULL);
        gw_spans_done(&rest);
        if (rc)
                waiting_done(w);
        return rc ? -1 : 0;
}

static int settle_waiting(struct gw_slurm_tasks *t, bool unbroken)
{
        struct waiting w;
        if (waiting_init(&w, t))
                return -1;
        int rc = conclude(t, &w.listed, absence_in(t, true, false, unbroken)) ||
                 conclude(t, &w.begun, absence_in(t, false, true, unbroken)) ||
                 conclude(t, &w.others, absence_in(t, false, false, unbroken));
        waiting_done(&w);
        return rc ? -1 : 0;
}

static int lose_task(struct gw_slurm_task *task, const char *words)
{
        end_view(&task->view, GW_REASON_LOST, 0);
        task->untold = true;
        return set_text(&task->view.words, words);
}

static int gather(struct gw_spans *to, const struct gw_spans *spans)
{
        int rc = 0;
        for (size_t i = 0; i < spans->count && rc == 0; i++)
                rc = gw_spans_gather(to, spans->items[i].first, spans->items[i].last, NULL);
        return rc;
}

/* Of those that wait. */
static int gather_missing(const struct gw_slurm_tasks *t, bool unbroken, struct gw_spans *ret)
{
        struct waiting w;
        int rc = 0;
        if (waiting_init(&w, t))
                return -1;
        if (absence_in(t, true, false, unbroken) == GW_SLURM_LOST)
                rc = gather(ret, &w.listed);
        if (rc == 0 && absence_in(t, false, true, unbroken) == GW_SLURM_LOST)
                rc = gather(ret, &w.begun);
        if (rc == 0 && absence_in(t, false, false, unbroken) == GW_SLURM_LOST)
                rc = gather(ret, &w.others);
        waiting_done(&w);
        return rc;
}

/* Of those that are kept by themselves. */
static int gather_kept(const struct gw_slurm_tasks *t,
                       bool (*which)(const struct gw_slurm_tasks *t,
                                     const struct gw_slurm_task *task),
                       struct gw_spans *ret)
{
        int rc = 0;
        for (size_t i = 0; i < t->count && rc == 0; i++)
                if (which(t, t->items[i]))
                        rc = gw_spans_gather(ret, t->items[i]->span.first, t->items[i]->span.last,
                                             NULL);
        return rc;
}

static int conclude_gathering(int rc, struct gw_spans *ret)
{
        if (rc)
                gw_spans_done(ret);
        gw_spans_settle(ret);
        return rc ? -1 : 0;
}

int gw_slurm_tasks_missing(const struct gw_slurm_tasks *t, bool unbroken, struct gw_spans *ret)
{
        *ret = GW_SPANS_INIT;
        int rc = gather_kept(t, is_missing, ret) || gather_missing(t, unbroken, ret);
        return conclude_gathering(rc, ret);
}

bool gw_slurm_tasks_misses(const struct gw_slurm_tasks *t, bool unbroken)
{
        struct gw_spans missing;
        bool some = gw_slurm_tasks_missing(t, unbroken, &missing) == 0 && missing.count > 0;
        gw_spans_done(&missing);
        return some;
}

static bool is_put_off(const struct gw_slurm_tasks *t, const struct gw_slurm_task *task)
{
        (void)t;
        return task->unexplained || task->followed;
}

int gw_slurm_tasks_put_off(const struct gw_slurm_tasks *t, struct gw_spans *ret)
{
        *ret = GW_SPANS_INIT;
        return conclude_gathering(gather_kept(t, is_put_off, ret), ret);
}

int gw_slurm_tasks_settle(struct gw_slurm_tasks *t, bool unbroken)
{
        if (take_back(t, waits_again))
                return -1;
        for (size_t i = 0; i < t->count; i++)
                if (is_missing(t, t->items[i]) && lose_task(t->items[i], gone_words))
                        return -1;
        if (settle_waiting(t, unbroken))
                return -1;
        if (t->rest_changed) {
                t->rest_untold = t->waiting.count > 0;
                t->rest_from = 0;
        }
        t->rest_changed = t->changed = false;
        t->settled = true;
        return 0;
}

int gw_slurm_tasks_again(const struct gw_slurm_tasks *t, struct gw_spans *ret)
{
        struct gw_spans open, others = GW_SPANS_INIT;
        *ret = GW_SPANS_INIT;
        if (t->head != GW_SLURM_HEAD_WAITS)
                return 0;
        int rc = gw_spans_without(&t->listed, &t->waiting, &others, NULL);
        if (rc == 0 && others.count > 0 && (rc = gw_slurm_tasks_open(t, &open)) == 0) {
                rc = gw_spans_without(&others, &open, ret, NULL);
                gw_spans_done(&open);
        }
        gw_spans_done(&others);
        return rc;
}

int gw_slurm_tasks_lose(struct gw_slurm_tasks *t, const char *words)
{
        for (size_t i = 0; i < t->count; i++)
                if (t->items[i]->view.phase != GW_PHASE_ENDED && lose_task(t->items[i], words))
                        return -1;
        struct gw_spans all = GW_SPANS_INIT;
        int rc = copy_spans(&all, t->waiting.items, t->waiting.count);
        if (rc == 0)
                rc = lose_spans(t, &all, words);
        gw_spans_done(&all);
        return rc;
}

void gw_slurm_task_end(struct gw_slurm_task *task, enum gw_reason reason, int64_t ended_us)
{
        end_view(&task->view, reason, ended_us);
        task->untold = true;
}

/* ---- telling --------------------------------------------------------------------------------- */

static struct gw_fact fact_of(const struct gw_slurm_view *v, struct gw_span span)
{
        return (struct gw_fact){
                .span = span,
                .restart = v->restart,
                .phase = v->phase,
                .reason = v->before ? v->before : v->reason,
                .exit_code = v->exit_code,
                .signal = v->signal,
                .pending_us = v->pending_us,
                .started_us = v->started_us,
                .ended_us = v->ended_us,
                .node = v->node,
                .raw = v->words,
        };
}

/* What waits is known when all was read: until then some of it may have records of its own, and
 * the view of the rest may be true of the others only. */
static bool may_tell_rest(const struct gw_slurm_tasks *t)
{
        return t->rest_untold && !t->changed;
}

static bool may_tell(const struct gw_slurm_task *task)
{
        return task->untold && (!task->followed || task->view.phase == GW_PHASE_ENDED);
}

bool gw_slurm_tasks_untold(const struct gw_slurm_tasks *t)
{
        if (may_tell_rest(t))
                return true;
        for (size_t i = 0; i < t->count; i++)
                if (may_tell(t->items[i]))
                        return true;
        return false;
}

/* The first span of what waits that is to be told; NULL: none. */
static const struct gw_span *untold_rest(const struct gw_slurm_tasks *t, uint64_t from)
{
        return may_tell_rest(t) ? gw_spans_from(&t->waiting, from) : NULL;
}

size_t gw_slurm_tasks_facts(const struct gw_slurm_tasks *t, struct gw_fact *facts, size_t room)
{
        size_t count = 0;
        uint64_t from = t->rest_from;
        const struct gw_span *span;
        for (size_t i = 0; i < t->count && count < room; i++)
                if (may_tell(t->items[i]))
                        facts[count++] = fact_of(&t->items[i]->view, t->items[i]->span);
        for (; count < room && (span = untold_rest(t, from)); from = (uint64_t)span->last + 1)
                facts[count++] = fact_of(&t->rest, *span);
        return count;
}

/* What was told of a run before is followed by what is true now. */
static void task_told(struct gw_slurm_task *task)
{
        task->untold = task->view.before != GW_REASON_NONE;
        task->view.before = GW_REASON_NONE;
}

static void drop_ended(struct gw_slurm_tasks *t)
{
        size_t kept = 0;
        for (size_t i = 0; i < t->count; i++) {
                if (t->items[i]->view.phase == GW_PHASE_ENDED && !t->items[i]->untold)
                        task_free(t->items[i]);
                else
                        t->items[kept++] = t->items[i];
        }
        t->count = kept;
}

void gw_slurm_tasks_told(struct gw_slurm_tasks *t, size_t count)
{
        const struct gw_span *span;
        for (size_t i = 0; i < t->count && count > 0; i++) {
                if (!may_tell(t->items[i]))
                        continue;
                task_told(t->items[i]);
                count--;
        }
        for (; count > 0 && (span = untold_rest(t, t->rest_from)); count--)
                t->rest_from = (uint64_t)span->last + 1;
        if (may_tell_rest(t) && !untold_rest(t, t->rest_from))
                t->rest_untold = false;
        drop_ended(t);
}
