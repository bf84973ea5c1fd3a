/*
 * What was made beside a Job (its ConfigMaps, its Service) goes when the submission is closed: the
 * cluster removes it with nothing. The Job names it in an annotation. An object is read first, for
 * it must be ours, and is deleted as the one that was read.
 */
#include <stdio.h>
#include <string.h>

#include "backends/kubernetes/internal.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

#define MOST 16 /* objects beside one Job */
#define KIND_NAME 300

static void on_deleted(struct gw_k8s_order *o)
{
        gw_k8s_order_free(o);
}

static void on_found(struct gw_k8s_order *o)
{
        struct gw_error err = {0};
        struct gw_mark mark;
        char name[KIND_NAME], uid[GW_K8S_UID];
        const json_t *object = o->call.object;
        if (o->call.status.verdict != GW_K8S_OK || gw_k8s_mark_of(object, &mark) ||
            !gw_mark_equal(mark, o->mark)) {
                gw_k8s_order_free(o);
                return;
        }
        /* The call ends what it has. */
        gw_str_copy(name, sizeof name, gw_k8s_text(object, "metadata.name"));
        gw_str_copy(uid, sizeof uid, gw_k8s_text(object, "metadata.uid"));
        o->done = on_deleted;
        gw_k8s_order_begun(o,
                           gw_k8s_delete(o->backend->client, &o->call, (enum gw_k8s_kind)o->next,
                                         o->ns, name, uid, GW_K8S_BACKGROUND, -1, &err),
                           &err);
}

static void drop(struct gw_k8s *b, struct gw_mark mark, const char *ns, enum gw_k8s_kind kind,
                 const char *name)
{
        struct gw_error err = {0};
        struct gw_k8s_order *o = gw_k8s_order_new(b, mark, ns, NULL, on_found);
        if (!o)
                return;
        o->next = kind;
        gw_k8s_order_begun(o, gw_k8s_get(b->client, &o->call, kind, ns, name, &err), &err);
}

void gw_k8s_beside_drop(struct gw_k8s *b, struct gw_mark mark, const char *ns, const json_t *job)
{
        static const struct {
                const char *prefix;
                enum gw_k8s_kind kind;
        } kinds[] = {{"ConfigMap/", GW_K8S_CONFIG_MAPS}, {"Service/", GW_K8S_SERVICES}};
        const json_t *annotations = gw_k8s_member(job, "metadata.annotations");
        const char *list =
                json_string_value(json_object_get(annotations, GW_K8S_ANNOTATION_BESIDE));
        for (size_t i = 0, len; list && *list && i < MOST; i++, list += len) {
                char part[KIND_NAME];
                list += strspn(list, " ");
                len = strcspn(list, " ");
                snprintf(part, sizeof part, "%.*s", (int)len, list);
                char *slash = strchr(part, '/');
                for (size_t k = 0; slash && k < GW_COUNT(kinds); k++)
                        if (strncmp(part, kinds[k].prefix, strlen(kinds[k].prefix)) == 0)
                                drop(b, mark, ns, kinds[k].kind, slash + 1);
        }
}
