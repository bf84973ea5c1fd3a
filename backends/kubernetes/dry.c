/*
 * A dry run: the very objects of a submission, in their order, as the API server tests them without
 * recording any, and then what it passes over (check.h). Any replica asks, leading or not; the
 * gateway lets each user have a few out only.
 */
#include <stdio.h>

#include "backends/kubernetes/check.h"
#include "backends/kubernetes/internal.h"
#include "server/base/str.h"

#define PATIENCE_MS 15000 /* for each answer */
#define MOST_QUOTAS 100

/* Takes the order. */
static void finish(struct gw_k8s_order *o)
{
        gw_work_finish(&o->asked->check->work);
        gw_k8s_order_free(o);
}

/* A quota of Jobs is no refusal: it would be handed over again. */
static void take_refusal(const struct gw_k8s_status *status, struct gw_backend_check *check)
{
        char words[GW_K8S_STATUS_WORDS], note[GW_K8S_STATUS_WORDS + 32];
        enum gw_answer answer = gw_k8s_submit_answer(status);
        const char *field = status->cause_count > 0 ? status->causes[0].field : "";
        gw_k8s_status_words(status, words);
        snprintf(note, sizeof note, "it would wait: %s", words);
        if (answer == GW_ANSWER_FULL)
                gw_str_copy(check->note, sizeof check->note, note);
        else if (answer == GW_ANSWER_REFUSED)
                gw_fail_at(&check->error, GW_ERR_UNPROCESSABLE, gw_k8s_member_of(field),
                           "the cluster says: %s", words);
        else
                gw_fail(&check->error, GW_ERR_UNAVAILABLE, "the cluster says: %s", words);
}

/* Where quotas may not be read none is known. */
static void on_quotas(struct gw_k8s_order *o)
{
        (void)gw_k8s_check_quotas(o->manifest.job, json_object_get(o->call.object, "items"),
                                  &o->asked->check->error);
        finish(o);
}

static void ask_for_quotas(struct gw_k8s_order *o)
{
        struct gw_error err = {0};
        const struct gw_k8s_selection all = {0};
        o->done = on_quotas;
        gw_k8s_order_begun(o,
                           gw_k8s_list(o->backend->client, &o->call, GW_K8S_RESOURCE_QUOTAS, o->ns,
                                       &all, MOST_QUOTAS, NULL, &err),
                           &err);
}

static void test_next(struct gw_k8s_order *o);

static void on_tested(struct gw_k8s_order *o)
{
        const struct gw_k8s_status *status = &o->call.status;
        struct gw_backend_check *check = o->asked->check;
        bool was_last = o->next >= json_array_size(o->manifest.before);
        if (status->verdict != GW_K8S_OK && status->verdict != GW_K8S_EXISTS) {
                take_refusal(status, check);
                finish(o);
                return;
        }
        if (!check->note[0])
                (void)gw_k8s_call_warning(&o->call, 0, check->note, sizeof check->note);
        o->next++;
        if (was_last)
                ask_for_quotas(o);
        else
                test_next(o);
}

static void test_next(struct gw_k8s_order *o)
{
        struct gw_error err = {0};
        const json_t *before = json_array_get(o->manifest.before, o->next);
        o->done = on_tested;
        gw_k8s_order_begun(o,
                           gw_k8s_create(o->backend->client, &o->call,
                                         before ? gw_k8s_kind_of(before) : GW_K8S_JOBS, o->ns,
                                         before ? before : o->manifest.job, true, &err),
                           &err);
}

/* NULL with an error, and nothing was taken. */
static struct gw_k8s_order *make_order(struct gw_k8s *b, struct gw_backend_ask *a,
                                       struct gw_error *err)
{
        const struct gw_submission *s = a->check->submission;
        struct gw_k8s_identity identity;
        struct gw_k8s_manifest manifest;
        json_auto_t *json = NULL;
        if (gw_k8s_identity_read(s->identity, &identity, &json, err) ||
            gw_k8s_manifest_init(&manifest, s, &identity, &b->settings.site, err))
                return NULL;
        struct gw_k8s_order *o =
                gw_k8s_check_images(manifest.job, err) == 0
                        ? gw_k8s_order_new(b, s->mark, identity.namespace, a, on_tested)
                        : NULL;
        if (!o) {
                gw_k8s_manifest_done(&manifest);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        o->manifest = manifest;
        o->epoch = 0;
        o->call.within_ms = PATIENCE_MS;
        return o;
}

void gw_k8s_check_run(struct gw_k8s *b, struct gw_backend_ask *a)
{
        struct gw_k8s_order *o = make_order(b, a, &a->check->error);
        if (o) {
                test_next(o);
                return;
        }
        gw_work_finish(&a->check->work);
        gw_backend_ask_free(a);
}
