/* A Job with Pods and Events as anyone may make them up. What they mean always fits its phase, and
 * is a success only where the Job or the index is one. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "backends/kubernetes/facts.h"
#include "backends/kubernetes/record.h"
#include "backends/kubernetes/state.h"
#include "server/base/str.h"
#include "server/model/state.h"

#define TASKS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct checked {
        const json_t *job;
        uint32_t next;
};

static void check(void *arg, const struct gw_fact *fact, const struct gw_k8s_meaning *m)
{
        struct checked *checked = arg;
        assert(fact->span.first == checked->next && fact->span.last >= fact->span.first);
        checked->next = fact->span.last + 1;
        bool ends = m->phase >= GW_PHASE_ENDING;
        assert(!ends || m->reason >= GW_REASON_COMPLETED || m->reason == GW_REASON_IMAGE_PULL);
        assert(ends || m->reason < GW_REASON_COMPLETED);
        assert(m->reason < GW_REASON_COUNT && m->doom < GW_REASON_COUNT);
        assert(m->exit_code >= -1 && m->exit_code <= 255 && m->signal >= 0 && m->signal < 32);
        assert(m->reason == GW_REASON_COMPLETED || m->exit_code != 0);
        assert(!ends || m->doom == GW_REASON_NONE);
        assert(memchr(m->words, '\0', sizeof m->words) && gw_str_utf8(m->words, strlen(m->words)));
        assert(memchr(m->node, '\0', sizeof m->node));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
        const struct gw_k8s_view view = {.job = json_object_get(json, "job"),
                                         .pods = json_object_get(json, "pods"),
                                         .events = json_object_get(json, "events")};
        struct gw_span all = {0, TASKS - 1};
        const struct gw_spans ordinals = {.items = &all, .count = 1, .cap = 1};
        struct checked plain = {.job = view.job}, array = {.job = view.job};
        struct gw_error err = {0};
        gw_k8s_facts(&view, (struct gw_mark){.number = 1}, NULL, check, &plain, &err);
        assert(plain.next == 1);
        if (gw_k8s_facts(&view, (struct gw_mark){.number = 1}, &ordinals, check, &array, &err) == 0)
                assert(array.next == TASKS);
        json_decref(json);
        return 0;
}
