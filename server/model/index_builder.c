/*
 * The builder of index sets. Any thread, each builder on its own.
 *
 * Invariant: `run` holds the last `length` indices pushed, evenly spaced; what came before is
 * settled. A run of three or more keeps its step; two indices more than 1 apart are kept only
 * until a third shows whether they are the begin of one.
 */
#include "server/model/index_builder.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/limits.h"

static int settle(struct gw_index_builder *b, struct gw_index_run run, struct gw_error *err)
{
        if (b->set.run_count == GW_MAX_INDEX_RANGES)
                return gw_fail(err, GW_ERR_INVALID,
                               "the indices fall into more than %d ranges: use fewer, or more "
                               "regular ones",
                               GW_MAX_INDEX_RANGES);
        if (b->set.run_count == b->cap) {
                size_t cap = b->cap ? b->cap * 2 : 8;
                struct gw_index_run *runs = realloc(b->set.runs, cap * sizeof *runs);
                if (!runs)
                        return gw_fail(err, GW_ERR_NOMEM, "out of memory");
                b->set.runs = runs;
                b->cap = cap;
        }
        b->set.runs[b->set.run_count++] = run;
        return 0;
}

/* Two indices more than 1 apart are no run yet: the second may begin a better one. */
static bool is_pair(const struct gw_index_builder *b)
{
        return b->length == 2 && b->run.step > 1;
}

int gw_index_builder_push(struct gw_index_builder *b, uint32_t index, struct gw_error *err)
{
        uint32_t gap = index - b->run.last;

        assert(b->length == 0 || index > b->run.last);
        if (b->length >= 2 && gap != b->run.step) {
                bool pair = is_pair(b);
                struct gw_index_run done = b->run;
                if (pair)
                        done = (struct gw_index_run){done.first, done.first, 1, 0};
                if (settle(b, done, err))
                        return -1;
                b->run.first = b->run.last;
                b->length = pair;
        }
        if (b->length == 0)
                b->run = (struct gw_index_run){index, index, 1, 0};
        if (b->length == 1)
                b->run.step = gap;
        b->run.last = index;
        b->length++;
        return 0;
}

/* After three of its indices a progression is what the run in the making goes on with. */
int gw_index_builder_push_run(struct gw_index_builder *b, uint32_t first, uint32_t last,
                              uint32_t step, struct gw_error *err)
{
        uint32_t left = (last - first) / step + 1;
        for (int i = 0; i < 3 && left > 0; i++, left--, first += step) {
                if (gw_index_builder_push(b, first, err))
                        return -1;
        }
        if (left > 0) {
                assert(b->run.step == step);
                b->run.last += left * step;
                b->length += left;
        }
        return 0;
}

static size_t digits_of(uint32_t v)
{
        size_t n = 1;
        for (; v >= 10; v /= 10)
                n++;
        return n;
}

static size_t text_len(const struct gw_indexset *set)
{
        size_t len = set->run_count ? set->run_count - 1 : 0;
        for (size_t i = 0; i < set->run_count; i++) {
                const struct gw_index_run *r = &set->runs[i];
                len += digits_of(r->first);
                if (r->last > r->first)
                        len += 1 + digits_of(r->last);
                if (r->step > 1)
                        len += 1 + digits_of(r->step);
        }
        return len;
}

int gw_index_builder_finish(struct gw_index_builder *b, struct gw_indexset *ret,
                            struct gw_error *err)
{
        struct gw_index_run *r = &b->run;
        if (is_pair(b)) {
                if (settle(b, (struct gw_index_run){r->first, r->first, 1, 0}, err))
                        return -1;
                r->first = r->last;
                r->step = 1;
        }
        if (b->length > 0 && settle(b, *r, err))
                return -1;
        if (text_len(&b->set) > GW_MAX_INDEX_TEXT)
                return gw_fail(err, GW_ERR_INVALID,
                               "the indices put in order are longer than %d bytes: use fewer, or "
                               "more regular ones",
                               GW_MAX_INDEX_TEXT);
        for (size_t i = 0; i < b->set.run_count; i++) {
                struct gw_index_run *run = &b->set.runs[i];
                run->ordinal = b->set.count;
                b->set.count += (run->last - run->first) / run->step + 1;
        }
        *ret = b->set;
        *b = GW_INDEX_BUILDER_INIT;
        return 0;
}

void gw_index_builder_done(struct gw_index_builder *b)
{
        gw_indexset_done(&b->set);
        *b = GW_INDEX_BUILDER_INIT;
}
