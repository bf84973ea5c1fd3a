/* Any text: an accepted set has one text, maps both ways, and its halves give it back. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/indexset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *text_of(const struct gw_indexset *set)
{
        struct gw_buf b = GW_BUF_INIT(GW_MAX_INDEX_TEXT);
        gw_indexset_format(set, &b);
        char *text = gw_buf_take(&b, NULL);
        assert(text);
        return text;
}

static void check_text(const struct gw_indexset *set)
{
        struct gw_indexset again;
        char *text = text_of(set);
        assert(gw_indexset_parse(text, &again, NULL) == 0);
        assert(again.count == set->count && again.run_count == set->run_count);
        assert(memcmp(again.runs, set->runs, set->run_count * sizeof *set->runs) == 0);
        gw_indexset_done(&again);
        free(text);
}

/* The ordinals first … last of a set as indices, and back. */
static void check_part(const struct gw_indexset *set, uint32_t first, uint32_t last)
{
        struct gw_spans part = GW_SPANS_INIT, back;
        struct gw_indexset indices;
        assert(gw_spans_append(&part, first, last, NULL) == 0);
        if (gw_indexset_subset(set, &part, &indices, NULL) == 0) {
                assert(indices.count == last - first + 1);
                assert(gw_indexset_pick(set, &indices, &back, NULL) == 0);
                assert(gw_spans_equal(&part, &back));
                gw_spans_done(&back);
                gw_indexset_done(&indices);
        }
        gw_spans_done(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct gw_error err = {0};
        struct gw_indexset set;
        char *s = malloc(size + 1);
        assert(s);
        memcpy(s, data, size);
        s[size] = '\0';

        if (gw_indexset_parse(s, &set, &err)) {
                assert(err.code == GW_ERR_INVALID && err.message[0]);
                free(s);
                return 0;
        }
        assert(set.count > 0 && set.count <= GW_MAX_ARRAY);
        check_text(&set);
        uint32_t probe = set.count / 2, index, ordinal;
        assert(gw_indexset_index(&set, probe, &index) == 0);
        assert(gw_indexset_ordinal(&set, index, &ordinal) == 0 && ordinal == probe);
        if (set.count < 5000) {
                check_part(&set, 0, probe);
                check_part(&set, probe, set.count - 1);
        }
        gw_indexset_done(&set);
        free(s);
        return 0;
}
