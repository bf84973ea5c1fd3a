/*
 * A manifest from anyone: an error with a message, or a spec, and of that an error or a Job. One
 * that a site of default settings takes is ours, is one attempt, and does not reach out.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/kubernetes/import.h"
#include "backends/kubernetes/manifest.h"
#include "backends/kubernetes/record.h"
#include "server/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_container(const json_t *container)
{
        const json_t *context = json_object_get(container, "securityContext");
        assert(!json_is_object(container) ||
               json_is_false(json_object_get(context, "allowPrivilegeEscalation")));
        assert(!json_is_true(json_object_get(context, "privileged")));
        assert(!gw_k8s_member(context, "capabilities.add"));
}

static void check_pod(const json_t *pod)
{
        size_t i;
        const json_t *item;
        assert(strcmp(gw_k8s_text(pod, "restartPolicy"), "Never") == 0);
        assert(!json_is_true(json_object_get(pod, "hostNetwork")));
        assert(!json_object_get(pod, "serviceAccountName"));
        json_array_foreach(json_object_get(pod, "volumes"), i, item)
                assert(json_object_size(json_object_get(item, "hostPath")) == 0);
        json_array_foreach(json_object_get(pod, "containers"), i, item) check_container(item);
        json_array_foreach(json_object_get(pod, "initContainers"), i, item) check_container(item);
}

/* What resolving puts in. */
static void complete(json_t *spec)
{
        json_t *resources = json_object_get(spec, "resources");
        if (!json_object_get(spec, "name"))
                json_object_set_new(spec, "name", json_string("job"));
        if (!json_object_get(resources, "cpus"))
                json_object_set_new(resources, "cpus", json_integer(1));
        if (!json_object_get(resources, "memory"))
                json_object_set_new(resources, "memory", json_integer(1));
}

static void check_manifest(json_t *spec)
{
        static const struct gw_span all = {0, 0};
        const struct gw_k8s_site site = gw_k8s_site_default();
        struct gw_k8s_manifest m;
        struct gw_error err = {0};
        complete(spec);
        char *text = json_dumps(spec, JSON_COMPACT);
        assert(text);
        const char *indices = gw_k8s_text(spec, "array.indices");
        const struct gw_submission s = {.mark = {.number = 1},
                                        .spec = text,
                                        .spec_len = strlen(text),
                                        .name = "n",
                                        .project = "p",
                                        .index_set = indices[0] ? indices : NULL,
                                        .spans = &all,
                                        .span_count = 1,
                                        .attempt = 1};
        if (gw_k8s_manifest_init(&m, &s, NULL, &site, &err) == 0) {
                struct gw_mark mark;
                assert(gw_k8s_mark_of(m.job, &mark) == 0 && mark.number == 1);
                assert(strcmp(gw_k8s_text(m.job, "metadata.name"), m.name) == 0);
                assert(!gw_k8s_member(m.job, "metadata.namespace"));
                check_pod(gw_k8s_member(m.job, "spec.template.spec"));
        } else {
                assert(err.code != GW_OK && gw_str_utf8(err.message, strlen(err.message)));
        }
        gw_k8s_manifest_done(&m);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct gw_error err = {0};
        struct gw_warnings warnings;
        gw_warnings_init(&warnings);
        json_t *spec = gw_k8s_import((const char *)data, size, &warnings, &err);
        if (spec)
                check_manifest(spec);
        else
                assert(err.code != GW_OK && gw_str_utf8(err.message, strlen(err.message)));
        json_decref(spec);
        return 0;
}
