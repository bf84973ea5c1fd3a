/*
 * Reading what the cluster offers, from time to time, by who leads: one request after the other,
 * page by page, whatever the number of clients. What may not be read is left out, and told.
 *
 * Quotas are read of the namespaces that jobs were seen in, and of the credentials' own.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/offer.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"

#define EVERY_US (60 * GW_SECOND)
#define AGAIN_US (5 * GW_SECOND) /* after one that did not come to its end */
#define SOON_US GW_SECOND        /* when there is a new namespace */
#define PAGE 500
#define MOST_NAMESPACES 1000

/* In their order; what comes of a page's items goes into a member of what was seen. */
static const struct step {
        const char *what;   /* the member */
        const char *called; /* by the cluster */
        enum gw_k8s_kind kind;
        const char *fields;
        bool is_map;
        int (*take)(json_t *member, const json_t *item, const struct gw_k8s_site *site);
} steps[] = {
        {"version", "version", GW_K8S_KIND_COUNT, NULL, false, NULL},
        {"nodes", "nodes", GW_K8S_NODES, NULL, false, gw_k8s_offer_node},
        {"used", "pods", GW_K8S_PODS, "status.phase!=Succeeded,status.phase!=Failed", true,
         gw_k8s_offer_pod},
        {"classes", "priorityclasses", GW_K8S_PRIORITY_CLASSES, NULL, false, gw_k8s_offer_class},
        {"namespaces", "resourcequotas", GW_K8S_RESOURCE_QUOTAS, NULL, true, gw_k8s_offer_quota},
};

#define QUOTAS (GW_COUNT(steps) - 1)

/* ---- namespaces ------------------------------------------------------------------------------ */

void gw_k8s_survey_add(struct gw_k8s *b, const char *ns)
{
        if (!b->namespaces)
                b->namespaces = json_object();
        if (json_object_get(b->namespaces, ns) ||
            json_object_size(b->namespaces) >= MOST_NAMESPACES)
                return;
        json_object_set_new(b->namespaces, ns, json_true());
        int64_t soon = gw_clock_mono_us() + SOON_US;
        if (b->survey_at > soon)
                b->survey_at = soon;
}

/* The one after `ns`, the first after NULL; NULL: there is none. */
static const char *next_namespace(const struct gw_k8s *b, const char *ns)
{
        void *at = ns ? json_object_iter_at(b->namespaces, ns) : NULL;
        at = ns ? json_object_iter_next(b->namespaces, at) : json_object_iter(b->namespaces);
        return at ? json_object_iter_key(at) : NULL;
}

/* ---- the end of a round ---------------------------------------------------------------------- */

void gw_k8s_survey_stop(struct gw_k8s *b)
{
        json_decref(GW_TAKE(b->seen_offer));
        json_decref(GW_TAKE(b->namespaces));
        b->survey_at = 0;
}

static void describe(struct gw_k8s *b)
{
        json_auto_t *offer = gw_k8s_offer(b->seen_offer);
        gw_autofree char *text = offer ? json_dumps(offer, JSON_COMPACT) : NULL;
        if (text)
                b->host.describe(b->host.self, text, true);
}

/* Takes the order. */
static void end_round(struct gw_k8s_order *o, bool is_whole)
{
        struct gw_k8s *b = o->backend;
        b->surveying = false;
        if (o->epoch == b->epoch) {
                b->survey_at = gw_clock_mono_us() + (is_whole ? EVERY_US : AGAIN_US);
                if (is_whole)
                        describe(b);
        }
        json_decref(GW_TAKE(b->seen_offer));
        gw_k8s_order_free(o);
}

/* ---- one step -------------------------------------------------------------------------------- */

static void on_page(struct gw_k8s_order *o);

static int ask(struct gw_k8s_order *o, const char *from, struct gw_error *err)
{
        const struct step *step = &steps[o->next];
        const struct gw_k8s_selection which = {.fields = step->fields};
        const char *ns = o->next == QUOTAS ? o->ns : NULL;
        o->done = on_page;
        if (step->kind == GW_K8S_KIND_COUNT)
                return gw_k8s_version(o->backend->client, &o->call, err);
        return gw_k8s_list(o->backend->client, &o->call, step->kind, ns, &which, PAGE, from, err);
}

/* Its own member, new if there is none. NULL without memory. */
static json_t *member_of(const struct gw_k8s_order *o)
{
        const struct step *step = &steps[o->next];
        json_t *seen = o->backend->seen_offer, *member = json_object_get(seen, step->what);
        if (!member &&
            json_object_set_new(seen, step->what, step->is_map ? json_object() : json_array()) == 0)
                member = json_object_get(seen, step->what);
        if (o->next != QUOTAS || !member)
                return member;
        json_t *quotas = json_object_get(member, o->ns);
        if (!quotas && json_object_set_new(member, o->ns, json_array()) == 0)
                quotas = json_object_get(member, o->ns);
        return quotas;
}

static int take(const struct gw_k8s_order *o)
{
        const struct step *step = &steps[o->next];
        const json_t *item;
        size_t i;
        if (!step->take)
                return json_object_set(o->backend->seen_offer, step->what,
                                       json_object_get(o->call.object, "gitVersion"));
        json_t *member = member_of(o);
        int rc = member ? 0 : -1;
        json_array_foreach(json_object_get(o->call.object, "items"), i, item)
        {
                if (rc == 0)
                        rc = step->take(member, item, &o->backend->settings.site);
        }
        return rc;
}

/* Of a namespace nothing is said: that is the project's, and the page is everybody's. */
static int take_refusal(const struct gw_k8s_order *o)
{
        json_t *seen = o->backend->seen_offer, *refused = json_object_get(seen, "refused");
        if (o->next == QUOTAS)
                return 0;
        if (!refused && json_object_set_new(seen, "refused", json_array()) == 0)
                refused = json_object_get(seen, "refused");
        return json_array_append_new(refused, json_pack("{s:s, s:s}", "what", steps[o->next].called,
                                                        "detail", o->call.status.message));
}

/* Returns false when all were. */
static bool go_on(struct gw_k8s_order *o)
{
        const char *ns = NULL;
        if (o->next == QUOTAS)
                ns = o->ns;
        else if (++o->next < QUOTAS)
                return true;
        ns = next_namespace(o->backend, ns);
        char *copy = ns ? strdup(ns) : NULL;
        if (!copy)
                return false;
        free(o->ns);
        o->ns = copy;
        return true;
}

static void on_page(struct gw_k8s_order *o)
{
        struct gw_error err = {0};
        enum gw_k8s_verdict verdict = o->call.status.verdict;
        bool is_refused = verdict == GW_K8S_FORBIDDEN || verdict == GW_K8S_ABSENT;
        if (o->epoch != o->backend->epoch || (verdict != GW_K8S_OK && !is_refused) ||
            (is_refused ? take_refusal(o) : take(o))) {
                end_round(o, false);
                return;
        }
        gw_autofree char *from = strdup(gw_k8s_text(o->call.object, "metadata.continue"));
        bool has_more = !is_refused && from && *from;
        if (!from || (!has_more && !go_on(o)))
                end_round(o, from != NULL);
        else
                gw_k8s_order_begun(o, ask(o, has_more ? from : NULL, &err), &err);
}

/* ---- by time --------------------------------------------------------------------------------- */

void gw_k8s_survey_serve(struct gw_k8s *b)
{
        struct gw_error err = {0};
        if (b->surveying || !b->reachable || gw_clock_mono_us() < b->survey_at)
                return;
        b->survey_at = gw_clock_mono_us() + AGAIN_US;
        gw_k8s_survey_add(b, gw_k8s_client_home(b->client));
        b->seen_offer = json_object();
        struct gw_k8s_order *o =
                b->seen_offer ? gw_k8s_order_new(b, (struct gw_mark){0}, "", NULL, on_page) : NULL;
        if (!o) {
                json_decref(GW_TAKE(b->seen_offer));
                return;
        }
        b->surveying = true;
        gw_k8s_order_begun(o, ask(o, NULL, &err), &err);
}

int64_t gw_k8s_survey_wake_at(const struct gw_k8s *b)
{
        return b->surveying || !b->reachable ? INT64_MAX : b->survey_at;
}
