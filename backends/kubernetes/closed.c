/*
 * Submissions that are closed, the latest of them. One whose Job appears again is ended on sight: a
 * request to make it came late, or the server went back to an earlier state. It is ours beyond
 * doubt: this leader had it open, and it has the name that follows from its mark.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/record.h"
#include "server/base/log.h"
#include "server/base/str.h"

struct gw_k8s_closed {
        struct gw_mark mark;
        char ended[GW_K8S_UID]; /* the Job that had ended when it was closed; "": none */
        bool used;
};

int gw_k8s_closed_init(struct gw_k8s *b)
{
        b->closed = calloc(GW_K8S_CLOSED, sizeof *b->closed);
        return b->closed ? 0 : -1;
}

void gw_k8s_closed_clear(struct gw_k8s *b)
{
        if (b->closed)
                memset(b->closed, 0, GW_K8S_CLOSED * sizeof *b->closed);
}

void gw_k8s_closed_done(struct gw_k8s *b)
{
        free(b->closed);
}

void gw_k8s_closed_add(struct gw_k8s *b, const struct gw_k8s_job_entry *e)
{
        struct gw_k8s_closed *place = &b->closed[b->closed_next];
        *place = (struct gw_k8s_closed){.mark = e->mark, .used = true};
        if (gw_k8s_entry_has_ended(e))
                gw_str_copy(place->ended, sizeof place->ended, e->uid);
        b->closed_next = (b->closed_next + 1) % GW_K8S_CLOSED;
}

/* NULL: it is not among them. */
static const struct gw_k8s_closed *find(const struct gw_k8s *b, struct gw_mark mark)
{
        for (size_t i = 0; i < GW_K8S_CLOSED; i++) {
                const struct gw_k8s_closed *c = &b->closed[i];
                if (c->used && gw_mark_equal(c->mark, mark))
                        return c;
        }
        return NULL;
}

void gw_k8s_closed_see(struct gw_k8s *b, struct gw_mark mark, const json_t *json)
{
        struct gw_k8s_job job;
        gw_k8s_job_read(json, &job);
        const char *uid = gw_k8s_text(json, "metadata.uid");
        const char *name = gw_k8s_text(json, "metadata.name");
        const struct gw_k8s_closed *c = find(b, mark);
        if (!c || job.stage != GW_K8S_GOING || job.deleted || !*uid || strcmp(uid, c->ended) == 0)
                return;
        gw_log(GW_LOG_WARN, "kubernetes.closed_runs", "{s:s, s:s, s:s}", "backend",
               b->base.head.name, "job", name, "message",
               "a Job whose submission is closed is there again; it is deleted");
        gw_k8s_drop(b, gw_k8s_text(json, "metadata.namespace"), name, uid);
}
