/*
 * The backend object: open, close and render. What it is asked goes through its queue to its
 * thread (loop.c), which asks the agents and hears them.
 */
#include "backends/slurm/slurm.h"

#include <stdlib.h>

#include "backends/slurm/internal.h"
#include "backends/slurm/options.h"
#include "backends/slurm/plan.h"
#include "backends/slurm/raw.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/base/thread.h"

static struct gw_slurm *slurm_of(struct gw_backend *head)
{
        return GW_CONTAINER(head, struct gw_slurm, base.head);
}

static uint32_t op_most_tasks(const struct gw_backend *head)
{
        return atomic_load(&slurm_of((struct gw_backend *)(uintptr_t)head)->max_array_size);
}

static bool op_reads_logs(const struct gw_backend *head)
{
        return slurm_of((struct gw_backend *)(uintptr_t)head)->settings.as_user;
}

static int op_render(const struct gw_backend *head, const struct gw_submission *s,
                     struct gw_buf *out, struct gw_error *err)
{
        struct gw_slurm_identity identity;
        struct gw_slurm_plan plan;
        json_auto_t *json = NULL;
        const struct gw_slurm *b = GW_CONTAINER((uintptr_t)head, const struct gw_slurm, base.head);
        uint32_t most = gw_slurm_most_tasks(b, s);
        bool known =
                s->identity && gw_slurm_identity_read(s->identity, &identity, &json, NULL) == 0;
        if (gw_slurm_plan_init(&plan, s, known ? &identity : NULL, &b->settings.site, most, err))
                return -1;
        if (out && plan.array.is_array && most == 0) {
                gw_slurm_plan_done(&plan);
                return gw_fail(err, GW_ERR_UNAVAILABLE,
                               "how large arrays may be on this cluster is not known yet");
        }
        if (out && plan.spec.is_raw)
                gw_slurm_raw_render(&plan, s, out);
        else if (out)
                gw_buf_str(out, plan.script);
        gw_slurm_plan_done(&plan);
        return !out || gw_buf_ok(out) ? 0
                                      : gw_fail(err, GW_ERR_TOO_LARGE, "the script is too large");
}

static void op_advise(const struct gw_backend *head, const struct gw_spec *spec,
                      struct gw_warnings *warnings)
{
        (void)head;
        gw_slurm_advise(spec, warnings);
}

static int make_parts(struct gw_slurm *b, struct gw_error *err)
{
        if (b->settings.as_user && !(b->as_user = gw_as_user_new(b->settings.as_user, err)))
                return -1;
        b->users = gw_slurm_users_new(gw_account_find_user);
        return b->users && gw_slurm_closed_init(b) == 0
                       ? 0
                       : gw_fail(err, GW_ERR_NOMEM, "out of memory");
}

static struct gw_backend *op_open(const char *name, const json_t *settings,
                                  const struct gw_backend_host *host, struct gw_error *err)
{
        struct gw_slurm *b = calloc(1, sizeof *b);
        if (!b) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        b->base.head.type = &gw_slurm_type;
        b->host = *host;
        b->watch_at = INT64_MAX;
        TAILQ_INIT(&b->report);
        gw_str_copy(b->base.head.name, sizeof b->base.head.name, name);
        if (gw_slurm_settings_init(&b->settings, name, settings, err)) {
                free(b);
                return NULL;
        }
        if (make_parts(b, err) == 0 && gw_backend_queue_init(&b->base.queue, err) == 0) {
                if (gw_thread_start(&b->thread, "slurm", gw_slurm_loop, b, err) == 0)
                        return &b->base.head;
                gw_backend_queue_done(&b->base.queue);
        }
        gw_as_user_free(b->as_user);
        gw_slurm_users_free(b->users);
        gw_slurm_closed_done(b);
        gw_slurm_settings_done(&b->settings);
        free(b);
        return NULL;
}

static void op_close(struct gw_backend *head)
{
        struct gw_slurm *b = slurm_of(head);
        gw_queue_stop(&b->base.queue);
        gw_thread_join(b->thread);
        gw_slurm_workers_free(GW_TAKE(b->workers));
        gw_slurm_purges_clear(b);
        gw_as_user_free(GW_TAKE(b->as_user));
        gw_slurm_folders_clear(b);
        gw_slurm_watch_stop(b);
        gw_slurm_jobs_clear(b);
        gw_slurm_users_free(b->users);
        gw_slurm_closed_done(b);
        gw_leadership_done(&b->base.next);
        gw_backend_queue_done(&b->base.queue);
        gw_slurm_settings_done(&b->settings);
        json_decref(b->offer);
        free(b);
}

const struct gw_backend_type gw_slurm_type = {
        .name = "slurm",
        .reads_scripts = true,
        .setting = gw_slurm_setting,
        .open = op_open,
        .close = op_close,
        .render = op_render,
        .advise = op_advise,
        .log_by_record = true,
        .whole_arrays = true,
        .most_tasks = op_most_tasks,
        .foreign_logs = true,
        .reads_logs = op_reads_logs,
        GW_QUEUED_OPS,
};
