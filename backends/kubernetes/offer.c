/* Nodes, pods, classes and quotas to sums and lists. Any thread; keeps nothing. */
#include "backends/kubernetes/offer.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "backends/kubernetes/amounts.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"

enum { CPUS_MILLI, MEMORY, GPUS, AMOUNTS };

struct amounts {
        int64_t of[AMOUNTS];
};

static const char *resource_of(int amount, const struct gw_k8s_site *site)
{
        const char *const names[AMOUNTS] = {
                [CPUS_MILLI] = "cpu", [MEMORY] = "memory", [GPUS] = site->gpu_resource};
        return names[amount];
}

static json_t *pack_amounts(const struct amounts *a)
{
        return json_pack("[I, I, I]", (json_int_t)a->of[CPUS_MILLI], (json_int_t)a->of[MEMORY],
                         (json_int_t)a->of[GPUS]);
}

static struct amounts unpack_amounts(const json_t *list)
{
        struct amounts a = {{0}};
        for (size_t i = 0; i < AMOUNTS; i++)
                a.of[i] = json_integer_value(json_array_get(list, i));
        return a;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool is_tolerated(const json_t *taint, const json_t *tolerations)
{
        size_t i;
        const json_t *toleration;
        json_array_foreach(tolerations, i, toleration)
        {
                const char *key = gw_k8s_text(toleration, "key");
                if (!*key || strcmp(key, gw_k8s_text(taint, "key")) == 0)
                        return true;
        }
        return false;
}

/* Whether a job of the site's may be put there now. */
static bool takes_jobs(const json_t *node, const struct gw_k8s_site *site)
{
        size_t i;
        const json_t *taint;
        if (json_is_true(gw_k8s_member(node, "spec.unschedulable")) ||
            !gw_k8s_is_true(gw_k8s_condition(node, "Ready")))
                return false;
        json_array_foreach(gw_k8s_member(node, "spec.taints"), i, taint)
        {
                bool is_wish = strcmp(gw_k8s_text(taint, "effect"), "PreferNoSchedule") == 0;
                if (!is_wish && !is_tolerated(taint, site->tolerations))
                        return false;
        }
        return true;
}

static bool has_labels(const json_t *labels, const json_t *wanted)
{
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
        {
                if (!json_equal(json_object_get(labels, name), value))
                        return false;
        }
        return true;
}

/* What a spec may call its GPUs: by the label's value, and as the site has it. */
static json_t *types_of(const json_t *node, const struct gw_k8s_site *site)
{
        const json_t *labels = gw_k8s_member(node, "metadata.labels");
        json_t *label = json_object_get(labels, site->gpu_label);
        json_t *types = json_array(), *wanted;
        const char *type;
        int rc = types ? 0 : -1;
        if (rc == 0 && json_is_string(label))
                rc = json_array_append(types, label);
        json_object_foreach((json_t *)(uintptr_t)site->gpu_types, type, wanted)
        {
                if (rc == 0 && has_labels(labels, wanted))
                        rc = json_array_append_new(types, json_string(type));
        }
        if (rc == 0)
                return types;
        json_decref(types);
        return NULL;
}

int gw_k8s_offer_node(json_t *nodes, const json_t *node, const struct gw_k8s_site *site)
{
        const json_t *has = gw_k8s_member(node, "status.allocatable");
        struct amounts a = {{0}};
        for (int i = 0; i < AMOUNTS; i++) {
                const char *resource = resource_of(i, site);
                (void)gw_k8s_amount(resource, json_object_get(has, resource), &a.of[i]);
        }
        return json_array_append_new(
                nodes, json_pack("{s:s, s:b, s:o, s:o}", "name", gw_k8s_text(node, "metadata.name"),
                                 "takes", takes_jobs(node, site), "has", pack_amounts(&a), "types",
                                 types_of(node, site)));
}

/* What runs before the containers has their place, and is no more than they where it needs less. */
int gw_k8s_offer_pod(json_t *used, const json_t *pod, const struct gw_k8s_site *site)
{
        const char *node = gw_k8s_text(pod, "spec.nodeName");
        const json_t *containers = gw_k8s_member(pod, "spec.containers"), *first;
        struct amounts a = unpack_amounts(json_object_get(used, node));
        if (!*node)
                return 0;
        for (int r = 0; r < AMOUNTS; r++) {
                const char *resource = resource_of(r, site);
                int64_t most = gw_k8s_sum(containers, "requests", resource), n;
                size_t i;
                json_array_foreach(gw_k8s_member(pod, "spec.initContainers"), i, first)
                {
                        const json_t *wants = gw_k8s_member(first, "resources.requests");
                        if (gw_k8s_amount(resource, json_object_get(wants, resource), &n) == 0 &&
                            n > most)
                                most = n;
                }
                a.of[r] += most;
        }
        return json_object_set_new(used, node, pack_amounts(&a));
}

/* ---- lists ----------------------------------------------------------------------------------- */

int gw_k8s_offer_class(json_t *classes, const json_t *class, const struct gw_k8s_site *site)
{
        const json_t *value = json_object_get(class, "value");
        (void)site;
        return json_array_append_new(
                classes,
                json_pack("{s:s, s:I, s:b, s:b}", "name", gw_k8s_text(class, "metadata.name"),
                          "value", json_integer_value(value), "default",
                          json_is_true(json_object_get(class, "globalDefault")), "preempts",
                          strcmp(gw_k8s_text(class, "preemptionPolicy"), "Never") != 0));
}

/* As the cluster writes them, for there may be any resources. */
int gw_k8s_offer_quota(json_t *quotas, const json_t *quota, const struct gw_k8s_site *site)
{
        const json_t *used = gw_k8s_member(quota, "status.used");
        const char *resource;
        json_t *hard, *limits = json_array();
        int rc = limits ? 0 : -1;
        (void)site;
        json_object_foreach((json_t *)(uintptr_t)gw_k8s_member(quota, "spec.hard"), resource, hard)
        {
                const char *spent = json_string_value(json_object_get(used, resource));
                if (rc == 0 && json_is_string(hard))
                        rc = json_array_append_new(limits, json_pack("{s:s, s:O, s:s*}", "resource",
                                                                     resource, "limit", hard,
                                                                     "used", spent));
        }
        return rc ? -1
                  : json_array_append_new(quotas, json_pack("{s:s, s:o}", "name",
                                                            gw_k8s_text(quota, "metadata.name"),
                                                            "limits", limits));
}

/* ---- sums ------------------------------------------------------------------------------------ */

struct sums {
        bool knows_free;
        int64_t nodes, available;
        struct amounts total, free, largest;
        json_t *gpus, *gpus_free; /* by type, "" where there is none */
};

static int add_gpus(json_t *sums, const char *type, int64_t n)
{
        int64_t before = json_integer_value(json_object_get(sums, type));
        return json_object_set_new(sums, type, json_integer(before + n));
}

static int add_types(struct sums *s, const json_t *types, int64_t total, int64_t free)
{
        size_t count = json_array_size(types);
        int rc = 0;
        for (size_t i = 0; total > 0 && i < (count ? count : 1); i++) {
                const char *type = count ? json_string_value(json_array_get(types, i)) : "";
                rc |= add_gpus(s->gpus, type, total) | add_gpus(s->gpus_free, type, free);
        }
        return rc;
}

static int add_node(struct sums *s, const json_t *node, const json_t *used)
{
        bool takes = json_is_true(json_object_get(node, "takes"));
        struct amounts has = unpack_amounts(json_object_get(node, "has")), left = {{0}};
        struct amounts spent = unpack_amounts(json_object_get(used, gw_k8s_text(node, "name")));
        s->nodes++;
        s->available += takes;
        for (size_t i = 0; i < AMOUNTS; i++) {
                left.of[i] = takes && has.of[i] > spent.of[i] ? has.of[i] - spent.of[i] : 0;
                s->total.of[i] += has.of[i];
                s->free.of[i] += left.of[i];
                if (left.of[i] > s->largest.of[i])
                        s->largest.of[i] = left.of[i];
        }
        return add_types(s, json_object_get(node, "types"), has.of[GPUS], left.of[GPUS]);
}

static int put_amounts(json_t *object, const char *name, const struct amounts *a)
{
        return json_object_set_new(
                object, name,
                json_pack("{s:f, s:I, s:I}", "cpus", (double)a->of[CPUS_MILLI] / 1000, "memory",
                          (json_int_t)a->of[MEMORY], "gpus", (json_int_t)a->of[GPUS]));
}

static int put_gpus(json_t *object, const struct sums *s)
{
        json_t *list = json_array(), *total;
        const char *type;
        int rc = json_object_set_new(object, "gpu_types", list);
        json_object_foreach(s->gpus, type, total)
        {
                json_t *free = s->knows_free ? json_object_get(s->gpus_free, type) : NULL;
                rc |= json_array_append_new(list, json_pack("{s:s*, s:O, s:O*}", "type",
                                                            *type ? type : NULL, "total", total,
                                                            "free", free));
        }
        return rc;
}

static int put_sums(json_t *offer, const struct sums *s)
{
        int rc = json_object_set_new(offer, "nodes", json_integer(s->nodes)) |
                 json_object_set_new(offer, "nodes_available", json_integer(s->available)) |
                 put_amounts(offer, "total", &s->total) | put_gpus(offer, s);
        if (s->knows_free)
                rc |= put_amounts(offer, "free", &s->free) |
                      put_amounts(offer, "largest_free", &s->largest);
        return rc;
}

static int sum_up(json_t *offer, const json_t *seen)
{
        json_auto_t *gpus = json_object(), *gpus_free = json_object();
        const json_t *nodes = json_object_get(seen, "nodes"), *used = json_object_get(seen, "used");
        const json_t *node;
        struct sums s = {.knows_free = used != NULL, .gpus = gpus, .gpus_free = gpus_free};
        size_t i;
        int rc = 0;
        if (!nodes)
                return 0;
        json_array_foreach(nodes, i, node)
        {
                rc |= add_node(&s, node, used);
        }
        return rc | put_sums(offer, &s);
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Members that are taken over as they are. */
static const struct {
        const char *from, *to;
} copies[] = {
        {"classes", "priority_classes"},
        {"refused", "not_permitted"},
        {"namespaces", "namespaces"},
};

json_t *gw_k8s_offer(const json_t *seen)
{
        const char *version = gw_k8s_text(seen, "version");
        json_t *offer = json_object();
        int rc = offer ? sum_up(offer, seen) : -1;
        if (rc == 0 && *version)
                rc = json_object_set_new(offer, "controller",
                                         json_pack("{s:s}", "version", version));
        for (size_t i = 0; rc == 0 && i < GW_COUNT(copies); i++) {
                json_t *value = json_object_get(seen, copies[i].from);
                if (value)
                        rc = json_object_set(offer, copies[i].to, value);
        }
        if (rc == 0)
                return offer;
        json_decref(offer);
        return NULL;
}
