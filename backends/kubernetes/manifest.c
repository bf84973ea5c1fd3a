/*
 * Spec to manifest: the objects, and what a patch or an import makes of them. Any thread: it also
 * serves dry runs.
 */
#include "backends/kubernetes/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/advice.h"
#include "backends/kubernetes/import.h"
#include "backends/kubernetes/patch.h"
#include "backends/kubernetes/places.h"
#include "backends/kubernetes/program.h"
#include "backends/kubernetes/volumes.h"
#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/model/pointer.h"

static const char *name_of(const json_t *item)
{
        const char *name = json_string_value(json_object_get(item, "name"));
        return name ? name : "";
}

/* ---- the objects ---------------------------------------------------------------------------- */

static json_t *make_metadata(const struct gw_k8s_work *w)
{
        const json_t *labels = gw_k8s_spec_member(w, "labels");
        json_t *metadata =
                json_pack("{s:s, s:o, s:o}", "name", w->m->name, "labels",
                          gw_k8s_labels(w->s->mark, w->s->name, w->s->project, labels),
                          "annotations", gw_k8s_annotations(w->s->mark, w->s->name, labels));
        if (metadata && w->identity)
                json_object_set_new(metadata, "namespace", json_string(w->identity->namespace));
        return metadata;
}

static json_t *make_object(const struct gw_k8s_work *w, const char *version, const char *kind)
{
        return json_pack("{s:s, s:s, s:o}", "apiVersion", version, "kind", kind, "metadata",
                         make_metadata(w));
}

/* Pods have the Job's labels and annotations, but for its name and namespace, and the files. */
static json_t *make_pod_metadata(const struct gw_k8s_work *w)
{
        json_t *metadata = make_metadata(w), *annotations;
        const char *name;
        json_t *text;
        json_object_del(metadata, "name");
        json_object_del(metadata, "namespace");
        annotations = json_object_get(metadata, "annotations");
        if (w->program.carrier != GW_K8S_ANNOTATIONS)
                return metadata;
        json_object_foreach(w->program.files, name, text)
        {
                char key[64];
                snprintf(key, sizeof key, GW_K8S_DOMAIN "/%s", name);
                if (json_object_set(annotations, key, text)) {
                        json_decref(metadata);
                        return NULL;
                }
        }
        return metadata;
}

static int add_before(const struct gw_k8s_work *w, json_t *object)
{
        return json_array_append_new(w->m->before, object);
}

static int make_config_map(const struct gw_k8s_work *w)
{
        if (w->program.carrier != GW_K8S_CONFIG_MAP)
                return 0;
        json_t *map = make_object(w, "v1", "ConfigMap");
        return add_before(w, map) || json_object_set(map, "data", w->program.files) ? -1 : 0;
}

/* Pods find each other before they are ready. */
static int make_service(const struct gw_k8s_work *w)
{
        char id[GW_ID_TEXT], number[16];
        if (!gw_k8s_has_service(w))
                return 0;
        gw_id_format(w->s->mark.job, id);
        snprintf(number, sizeof number, "%" PRIu32, w->s->mark.number);
        json_t *service = make_object(w, "v1", "Service");
        json_t *spec = json_pack("{s:s, s:b, s:{s:s, s:s}}", "clusterIP", "None",
                                 "publishNotReadyAddresses", 1, "selector", GW_K8S_LABEL_JOB, id,
                                 GW_K8S_LABEL_SUBMISSION, number);
        return add_before(w, service) || json_object_set_new(service, "spec", spec) ? -1 : 0;
}

static int set_queue(const struct gw_k8s_work *w, struct gw_error *err)
{
        const char *queue = json_string_value(gw_k8s_spec_member(w, "queue"));
        json_t *labels = json_object_get(json_object_get(w->m->job, "metadata"), "labels");
        if (!queue)
                return 0;
        if (!gw_k8s_is_label_value(queue))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/queue",
                                  "is no name that a queue of Kubernetes can have");
        return json_object_set_new(labels, w->site->queue_label, json_string(queue))
                       ? gw_fail(err, GW_ERR_NOMEM, "out of memory")
                       : 0;
}

static json_t *object_in(json_t *home, const char *name)
{
        json_t *own = json_object_get(home, name);
        if (json_is_object(own))
                return own;
        own = json_object();
        return json_object_set_new(home, name, own) ? NULL : own;
}

static json_t *first_of(json_t *list)
{
        json_t *first = json_array_get(list, 0);
        return json_is_object(first) ? first : NULL;
}

/* Ours over what a Job that was imported has. */
static int put_metadata(json_t *home, json_t *metadata)
{
        json_t *own = object_in(home, "metadata"), *value;
        const char *name;
        if (!own || !metadata)
                return -1;
        json_object_foreach(metadata, name, value)
        {
                if (json_is_object(value) ? json_object_update(object_in(own, name), value)
                                          : json_object_set(own, name, value))
                        return -1;
        }
        return 0;
}

static int put_own_metadata(const struct gw_k8s_work *w, json_t *template)
{
        json_auto_t *job = make_metadata(w), *pod = make_pod_metadata(w);
        return put_metadata(w->m->job, job) || put_metadata(template, pod) ? -1 : 0;
}

static json_t *start_given_job(const json_t *given)
{
        json_t *job = json_pack("{s:s, s:s}", "apiVersion", "batch/v1", "kind", "Job");
        json_auto_t *copy = json_deep_copy(given);
        if (job && copy && json_object_update(job, copy) == 0)
                return job;
        json_decref(job);
        return NULL;
}

static json_t *start_job(const struct gw_k8s_work *w)
{
        if (w->given)
                return start_given_job(w->given);
        return json_pack("{s:s, s:s, s:{}, s:{s:{s:{}, s:{s:[{}]}}}}", "apiVersion", "batch/v1",
                         "kind", "Job", "metadata", "spec", "template", "metadata", "spec",
                         "containers");
}

static int make_job(struct gw_k8s_work *w, struct gw_error *err)
{
        w->m->job = start_job(w);
        json_t *spec = json_object_get(w->m->job, "spec");
        json_t *template = json_object_get(spec, "template");
        json_t *pod = json_object_get(template, "spec");
        json_t *container = first_of(json_object_get(pod, "containers"));
        if (!container)
                return gw_fail(err, GW_ERR_INTERNAL, "the record's manifest is damaged");
        if (put_own_metadata(w, template))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (gw_k8s_fill_places(w, spec, pod, container, err) || set_queue(w, err))
                return -1;
        return gw_k8s_harden(w->m->job) ? gw_fail(err, GW_ERR_NOMEM, "out of memory") : 0;
}

/* ---- the ConfigMaps of an imported Job ------------------------------------------------------ */

/* Gives a ConfigMap another name wherever a pod's value refers to it. */
static int rename_in(json_t *value, const char *from, const char *to)
{
        static const char *const references[] = {"configMap", "configMapRef", "configMapKeyRef"};
        const char *name;
        json_t *item;
        size_t i;
        for (i = 0; i < GW_COUNT(references); i++) {
                json_t *reference = json_object_get(value, references[i]);
                if (strcmp(name_of(reference), from) == 0 && *from &&
                    json_object_set_new(reference, "name", json_string(to)))
                        return -1;
        }
        json_object_foreach(value, name, item)
        {
                if (rename_in(item, from, to))
                        return -1;
        }
        json_array_foreach(value, i, item)
        {
                if (rename_in(item, from, to))
                        return -1;
        }
        return 0;
}

static int add_given_map(const struct gw_k8s_work *w, const json_t *given, size_t number)
{
        static const char *const parts[] = {"data", "binaryData"};
        char name[GW_K8S_NAME + 24];
        json_t *pod = json_object_get(
                json_object_get(json_object_get(w->m->job, "spec"), "template"), "spec");
        json_t *map = make_object(w, "v1", "ConfigMap");
        snprintf(name, sizeof name, "%s-%zu", w->m->name, number);
        if (add_before(w, map) ||
            json_object_set_new(json_object_get(map, "metadata"), "name", json_string(name)))
                return -1;
        for (size_t i = 0; i < GW_COUNT(parts); i++) {
                json_t *part = json_object_get(given, parts[i]);
                if (part && json_object_set(map, parts[i], part))
                        return -1;
        }
        return rename_in(pod, name_of(json_object_get(given, "metadata")), name);
}

static int add_given_maps(const struct gw_k8s_work *w)
{
        size_t i;
        const json_t *given;
        json_array_foreach(json_object_get(gw_k8s_spec_member(w, GW_K8S_MANIFEST), "config_maps"),
                           i, given)
        {
                if (add_given_map(w, given, i))
                        return -1;
        }
        return 0;
}

/* ---- all together --------------------------------------------------------------------------- */

/* What goes with the Job, for whoever removes it. */
static int note_before(const struct gw_k8s_work *w)
{
        struct gw_buf names = GW_BUF_INIT(GW_MAX_K8S_ANSWER_BYTES);
        json_t *metadata = json_object_get(w->m->job, "metadata");
        size_t i;
        const json_t *object;
        json_array_foreach(w->m->before, i, object)
        {
                gw_buf_printf(&names, "%s%s/%s", i ? " " : "",
                              json_string_value(json_object_get(object, "kind")),
                              name_of(json_object_get(object, "metadata")));
        }
        int rc = 0;
        if (names.len > 0 || names.failed)
                rc = json_object_set_new(object_in(metadata, "annotations"),
                                         GW_K8S_ANNOTATION_BESIDE,
                                         names.failed ? NULL : json_string(names.data));
        gw_buf_done(&names);
        return rc;
}

static int fill_objects(struct gw_k8s_work *w, struct gw_error *err)
{
        const json_t *patch = json_object_get(gw_k8s_spec_member(w, "options"), "kubernetes");
        if (make_config_map(w) || make_service(w))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (make_job(w, err))
                return -1;
        if (add_given_maps(w) || note_before(w))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return patch ? gw_k8s_patch(w->m->job, patch, w->site, err) : 0;
}

/* The image and the resources are told apart, for whoever counts them: they are the Job's. */
static int check_asked(const struct gw_k8s_work *w, struct gw_error *err)
{
        json_auto_t *asked = gw_k8s_import_asked(w->given);
        const json_t *resources = json_object_get(asked, "resources");
        const char *name;
        json_t *value;
        if (!asked)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (!json_equal(json_object_get(asked, "image"), gw_k8s_spec_member(w, "image")))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/image", "is not the manifest's");
        json_object_foreach((json_t *)(uintptr_t)resources, name, value)
        {
                struct gw_pointer at;
                if (json_equal(value, json_object_get(gw_k8s_spec_member(w, "resources"), name)))
                        continue;
                gw_pointer_init(&at, "/resources");
                gw_pointer_enter(&at, name, strlen(name));
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, at.text, "is not the manifest's");
        }
        return 0;
}

static json_t *container_of(const json_t *job)
{
        json_t *pod =
                json_object_get(json_object_get(json_object_get(job, "spec"), "template"), "spec");
        return first_of(json_object_get(pod, "containers"));
}

static int check_given(const struct gw_k8s_work *w, struct gw_error *err)
{
        if (w->m->tasks.is_array && w->m->tasks.count > 1 && !gw_k8s_tasks_are_plain(&w->m->tasks))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/array",
                                  "of a Job's manifest has all indices from 0 on, or one: an index "
                                  "is what Kubernetes says it is");
        if (!container_of(w->given))
                return gw_fail_at(err, GW_ERR_UNPROCESSABLE,
                                  "/" GW_K8S_MANIFEST "/job/spec/template/spec/containers",
                                  "is missing: a Job runs a container");
        return gw_k8s_guard(w->given, "/" GW_K8S_MANIFEST "/job", w->site, err) ||
                               check_asked(w, err)
                       ? -1
                       : 0;
}

/* The program and what it is mounted; a Job that was imported has them. */
static int fill_program(struct gw_k8s_work *w, struct gw_error *err)
{
        const struct gw_spec *spec = &w->m->spec;
        w->given = json_object_get(gw_k8s_spec_member(w, GW_K8S_MANIFEST), "job");
        if (w->given)
                return check_given(w, err);
        return gw_k8s_program_init(&w->program, spec, &w->m->tasks, err) ||
                               gw_k8s_volumes(spec, w->site, &w->program, w->m->name, w->volumes,
                                              w->mounts, err)
                       ? -1
                       : 0;
}

static int fill(struct gw_k8s_work *w, struct gw_error *err)
{
        struct gw_spec *spec = &w->m->spec;
        w->volumes = json_array();
        w->mounts = json_array();
        w->m->before = json_array();
        if (!w->volumes || !w->mounts || !w->m->before)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        gw_k8s_name(w->s->mark, w->m->name);
        if (gw_spec_load(w->s->spec, w->s->spec_len, spec, err) ||
            gw_k8s_tasks_init(&w->m->tasks, w->s, spec->nodes, err) || fill_program(w, err))
                return -1;
        return fill_objects(w, err);
}

int gw_k8s_manifest_init(struct gw_k8s_manifest *manifest, const struct gw_submission *s,
                         const struct gw_k8s_identity *identity, const struct gw_k8s_site *site,
                         struct gw_error *err)
{
        struct gw_k8s_work w = {.m = manifest, .s = s, .identity = identity, .site = site};
        *manifest = (struct gw_k8s_manifest){0};
        int rc = fill(&w, err);
        gw_k8s_program_done(&w.program);
        json_decref(w.volumes);
        json_decref(w.mounts);
        if (rc)
                gw_k8s_manifest_done(manifest);
        return rc;
}

void gw_k8s_manifest_done(struct gw_k8s_manifest *manifest)
{
        gw_spec_done(&manifest->spec);
        gw_k8s_tasks_done(&manifest->tasks);
        json_decref(manifest->job);
        json_decref(manifest->before);
        *manifest = (struct gw_k8s_manifest){0};
}

static void write_object(const json_t *object, struct gw_buf *out)
{
        gw_autofree char *text = json_dumps(object, JSON_INDENT(2));
        gw_buf_str(out, out->len > 0 ? "---\n" : "");
        gw_buf_str(out, text ? text : "");
        gw_buf_char(out, '\n');
        out->failed |= !text;
}

void gw_k8s_manifest_write(const struct gw_k8s_manifest *manifest, struct gw_buf *out)
{
        size_t i;
        const json_t *object;
        json_array_foreach(manifest->before, i, object) write_object(object, out);
        write_object(manifest->job, out);
}

/* ---- what may go together ------------------------------------------------------------------- */

static uint64_t total_of(const struct gw_submission *s)
{
        uint64_t total = 0;
        for (size_t i = 0; i < s->span_count; i++)
                total += (uint64_t)s->spans[i].last - s->spans[i].first + 1;
        return total;
}

/* How many of the first tasks have their completion index, at least one. */
static uint32_t plain_of(const struct gw_submission *s)
{
        struct gw_submission first = *s;
        struct gw_k8s_tasks tasks = {0};
        first.span_count = 1;
        bool plain =
                gw_k8s_tasks_init(&tasks, &first, 1, NULL) == 0 && gw_k8s_tasks_are_plain(&tasks);
        uint32_t count = plain ? tasks.count : 1;
        gw_k8s_tasks_done(&tasks);
        return count;
}

uint32_t gw_k8s_most_together(const struct gw_submission *s)
{
        json_auto_t *spec = json_loadb(s->spec, s->spec_len, 0, NULL);
        uint64_t total = total_of(s);
        if (json_object_get(spec, GW_K8S_MANIFEST))
                return plain_of(s);
        return total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
}

/* ---- advice --------------------------------------------------------------------------------- */

void gw_k8s_advise(const struct gw_spec *spec, struct gw_warnings *warnings)
{
        gw_advise_ignored(NULL, 0, "kubernetes", spec->json, warnings);
        if (spec->tasks_per_node > 1 && !gw_spec_has_launcher(spec->json))
                gw_warnings_add(warnings, "one_process", "/resources/tasks_per_node",
                                "%d processes for a container that starts one: start them with "
                                "torchrun or its like",
                                spec->tasks_per_node);
}
