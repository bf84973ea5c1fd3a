/*
 * Jobs of which no pod can start, for what they need is not there: an image, a ConfigMap, a service
 * account. Kubernetes would wait for ever. After a while, or at once where waiting cannot help,
 * they are given up: the Job gets a deadline that is over, and ends by it, and an annotation says
 * why it did. So that is known whoever looks at it later.
 *
 * As long as one task of an array runs, or may start, nothing is given up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "server/base/cleanup.h"
#include "server/base/crash.h"
#include "server/base/log.h"

#define AGAIN_US (5 * GW_SECOND) /* after it could not be told */

static void set_time(struct gw_k8s *b, struct gw_k8s_job_entry *e, int64_t at)
{
        e->give_up_at = at;
        if (at < b->doom_at)
                b->doom_at = at;
}

void gw_k8s_doom_set(struct gw_k8s *b, struct gw_k8s_job_entry *e,
                     const struct gw_k8s_meaning *doomed)
{
        int64_t now = gw_clock_mono_us();
        if (!doomed) {
                gw_k8s_doom_leave(b, e);
                return;
        }
        if (!e->is_doomed) {
                e->is_doomed = true;
                e->given_up = false;
                TAILQ_INSERT_TAIL(&b->doomed, e, doomed);
                set_time(b, e, now + b->settings.give_up_s * GW_SECOND);
        }
        if (doomed->hopeless && e->give_up_at > now && !e->given_up)
                set_time(b, e, now);
        e->doom = doomed->doom;
        free(e->doom_words);
        e->doom_words = strdup(doomed->words);
}

void gw_k8s_doom_leave(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        if (!e->is_doomed)
                return;
        e->is_doomed = false;
        TAILQ_REMOVE(&b->doomed, e, doomed);
        free(GW_TAKE(e->doom_words));
}

/* The watch tells what becomes of it. What was changed or has gone meanwhile is seen there too. */
static void on_told(struct gw_k8s_order *o)
{
        struct gw_k8s *b = o->backend;
        const struct gw_k8s_status *status = &o->call.status;
        struct gw_k8s_job_entry *e = o->epoch == b->epoch ? gw_k8s_entry_find(b, o->mark) : NULL;
        gw_crash_point("kubernetes.given_up");
        if (e && e->is_doomed && status->verdict != GW_K8S_OK) {
                gw_log(GW_LOG_WARN, "kubernetes.not_given_up", "{s:s, s:s}", "backend",
                       b->base.head.name, "message", status->message);
                e->given_up = false;
                set_time(b, e, gw_clock_mono_us() + AGAIN_US);
        }
        gw_k8s_order_free(o);
}

/* The uid is a precondition. */
static json_t *patch_of(const struct gw_k8s_job_entry *e)
{
        char why[GW_K8S_WORDS + 64];
        snprintf(why, sizeof why, "%s %s", gw_reason_name(e->doom),
                 e->doom_words ? e->doom_words : "");
        return json_pack("{s:{s:s, s:{s:s}}, s:{s:i}}", "metadata", "uid", e->uid, "annotations",
                         GW_K8S_ANNOTATION_GIVEN_UP, why, "spec", "activeDeadlineSeconds", 1);
}

static void give_up(struct gw_k8s *b, struct gw_k8s_job_entry *e)
{
        struct gw_error err = {0};
        char name[GW_K8S_NAME];
        json_auto_t *patch = patch_of(e);
        struct gw_k8s_order *o = patch ? gw_k8s_order_new(b, e->mark, e->ns, NULL, on_told) : NULL;
        if (!o) {
                set_time(b, e, gw_clock_mono_us() + AGAIN_US);
                return;
        }
        e->given_up = true;
        e->give_up_at = INT64_MAX;
        gw_k8s_name(e->mark, name);
        gw_k8s_order_begun(
                o, gw_k8s_merge(b->client, &o->call, GW_K8S_JOBS, e->ns, name, patch, false, &err),
                &err);
}

void gw_k8s_doomed_serve(struct gw_k8s *b)
{
        int64_t now = gw_clock_mono_us();
        struct gw_k8s_job_entry *e;
        if (now < b->doom_at)
                return;
        b->doom_at = INT64_MAX;
        TAILQ_FOREACH(e, &b->doomed, doomed)
        {
                if (e->give_up_at <= now && e->uid[0] && !e->asked)
                        give_up(b, e);
                else if (e->give_up_at <= now)
                        set_time(b, e, now + AGAIN_US);
                else if (e->give_up_at < b->doom_at)
                        b->doom_at = e->give_up_at;
        }
}
