/*
 * The backend object: open, close and render. What it is asked goes through its queue to its
 * thread (loop.c), which asks the API server and hears it.
 */
#include "backends/kubernetes/kubernetes.h"

#include <stdlib.h>

#include "backends/kubernetes/import.h"
#include "backends/kubernetes/internal.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/base/thread.h"

#define HOME_MAX 1 /* nobody posts there: what was sent comes home, for which there is room */

static struct gw_k8s *k8s_of(struct gw_backend *head)
{
        return GW_CONTAINER(head, struct gw_k8s, base.head);
}

static const struct gw_k8s *const_k8s_of(const struct gw_backend *head)
{
        return GW_CONTAINER((uintptr_t)head, const struct gw_k8s, base.head);
}

static uint32_t op_most_tasks(const struct gw_backend *head)
{
        return (uint32_t)const_k8s_of(head)->settings.array_size;
}

static int op_render(const struct gw_backend *head, const struct gw_submission *s,
                     struct gw_buf *out, struct gw_error *err)
{
        struct gw_k8s_identity identity;
        struct gw_k8s_manifest manifest;
        json_auto_t *json = NULL;
        bool known = s->identity && gw_k8s_identity_read(s->identity, &identity, &json, NULL) == 0;
        if (gw_k8s_manifest_init(&manifest, s, known ? &identity : NULL,
                                 &const_k8s_of(head)->settings.site, err))
                return -1;
        if (out)
                gw_k8s_manifest_write(&manifest, out);
        gw_k8s_manifest_done(&manifest);
        return !out || gw_buf_ok(out) ? 0
                                      : gw_fail(err, GW_ERR_TOO_LARGE, "the manifest is too large");
}

static void op_advise(const struct gw_backend *head, const struct gw_spec *spec,
                      struct gw_warnings *warnings)
{
        (void)head;
        gw_k8s_advise(spec, warnings);
}

static uint32_t op_most_together(const struct gw_backend *head, const struct gw_submission *s)
{
        (void)head;
        return gw_k8s_most_together(s);
}

static int make_client(struct gw_k8s *b, struct gw_error *err)
{
        const struct gw_k8s_source source = {
                .kubeconfig = b->settings.kubeconfig,
                .context = b->settings.context,
                .host = getenv("KUBERNETES_SERVICE_HOST"),
                .port = getenv("KUBERNETES_SERVICE_PORT"),
        };
        b->net = gw_net_start(err);
        b->client = b->net ? gw_k8s_client_new(b->net, &b->home, &source, err) : NULL;
        return b->client ? 0 : gw_fail_within(err, "kubeconfig");
}

static int make_parts(struct gw_k8s *b, struct gw_error *err)
{
        if (gw_k8s_closed_init(b))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return make_client(b, err);
}

static void free_parts(struct gw_k8s *b)
{
        gw_k8s_client_free(b->client);
        gw_net_stop(b->net);
        gw_k8s_closed_done(b);
        gw_mailbox_done(&b->home);
        gw_k8s_settings_done(&b->settings);
        free(b);
}

static struct gw_k8s *new_backend(const char *name, const struct gw_backend_host *host)
{
        struct gw_k8s *b = calloc(1, sizeof *b);
        if (!b)
                return NULL;
        if (gw_mailbox_init(&b->home, HOME_MAX)) {
                free(b);
                return NULL;
        }
        b->base.head.type = &gw_kubernetes_type;
        b->host = *host;
        TAILQ_INIT(&b->report);
        TAILQ_INIT(&b->quests);
        gw_k8s_line_init(b);
        TAILQ_INIT(&b->doomed);
        b->doom_at = INT64_MAX;
        gw_str_copy(b->base.head.name, sizeof b->base.head.name, name);
        return b;
}

static struct gw_backend *op_open(const char *name, const json_t *settings,
                                  const struct gw_backend_host *host, struct gw_error *err)
{
        struct gw_k8s *b = new_backend(name, host);
        if (!b) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory, or of descriptors");
                return NULL;
        }
        if (gw_k8s_settings_init(&b->settings, settings, err) == 0 && make_parts(b, err) == 0 &&
            gw_backend_queue_init(&b->base.queue, err) == 0) {
                if (gw_thread_start(&b->thread, "kubernetes", gw_k8s_loop, b, err) == 0)
                        return &b->base.head;
                gw_backend_queue_done(&b->base.queue);
        }
        free_parts(b);
        return NULL;
}

static void op_close(struct gw_backend *head)
{
        struct gw_k8s *b = k8s_of(head);
        gw_queue_stop(&b->base.queue);
        gw_thread_join(b->thread);
        gw_leadership_done(&b->base.next);
        gw_backend_queue_done(&b->base.queue);
        free_parts(b);
}

const struct gw_backend_type gw_kubernetes_type = {
        .name = "kubernetes",
        .setting = gw_k8s_setting,
        .open = op_open,
        .close = op_close,
        .render = op_render,
        .advise = op_advise,
        .log_by_record = true,
        .whole_arrays = true,
        .most_tasks = op_most_tasks,
        .most_together = op_most_together,
        .import = gw_k8s_import,
        .foreign_logs = true,
        GW_QUEUED_OPS,
};
