/*
 * Submissions that are to be handed over, or looked for, in the order in which they were asked:
 * GW_K8S_AT_ONCE of them are out at a time. One whose time is over meanwhile is not sent, and one
 * of a leader that leads no more is not carried out: who runs it looks.
 *
 * Nothing else waits here. A cancel that overtakes its submission finds nothing, and is asked again
 * once that was accepted.
 */
#include "backends/kubernetes/internal.h"
#include "server/base/cleanup.h"

void gw_k8s_line_init(struct gw_k8s *b)
{
        b->line = NULL;
        b->line_end = &b->line;
}

bool gw_k8s_line_is_for(const struct gw_backend_ask *a)
{
        return a->kind == GW_ASK_SUBMIT || a->kind == GW_ASK_RESOLVE;
}

void gw_k8s_line_take(struct gw_k8s *b, struct gw_backend_ask *a)
{
        if (!gw_k8s_line_is_for(a)) {
                gw_k8s_request_run(b, a);
                return;
        }
        a->work.next = NULL;
        *b->line_end = &a->work;
        b->line_end = &a->work.next;
}

static struct gw_backend_ask *next(struct gw_k8s *b)
{
        struct gw_work *first = b->line;
        if (!first)
                return NULL;
        b->line = first->next;
        if (!b->line)
                b->line_end = &b->line;
        return GW_CONTAINER(first, struct gw_backend_ask, work);
}

void gw_k8s_line_serve(struct gw_k8s *b)
{
        struct gw_backend_ask *a;
        while (b->handed_over < GW_K8S_AT_ONCE && (a = next(b)))
                gw_k8s_request_run(b, a);
}

void gw_k8s_line_clear(struct gw_k8s *b)
{
        struct gw_backend_ask *a;
        while ((a = next(b)))
                gw_backend_ask_free(a);
}
