/*
 * A patch's paths against three lists. Any thread; keeps nothing.
 *
 * A path "covers" what is at it and below. A value conflicts with a listed path that covers it, and
 * with one below it: whoever replaces the whole changes the part.
 */
#include "backends/kubernetes/patch.h"

#include <stdio.h>
#include <string.h>

#include "backends/kubernetes/name.h"
#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/model/pointer.h"

#define POD "/spec/template/spec"
#define PATCH "/options/kubernetes"

/* ---- the lists ------------------------------------------------------------------------------ */

/* What makes a Job ours, and one attempt. */
static const char *const never[] = {
        "/apiVersion",
        "/kind",
        "/status",
        "/metadata/name",
        "/metadata/generateName",
        "/metadata/namespace",
        "/metadata/uid",
        "/metadata/ownerReferences",
        "/metadata/finalizers",
        "/spec/backoffLimit",
        "/spec/backoffLimitPerIndex",
        "/spec/maxFailedIndexes",
        "/spec/completionMode",
        "/spec/completions",
        "/spec/parallelism",
        "/spec/suspend",
        "/spec/selector",
        "/spec/manualSelector",
        "/spec/managedBy",
        "/spec/podFailurePolicy",
        "/spec/podReplacementPolicy",
        "/spec/successPolicy",
        "/spec/template/metadata/name",
        "/spec/template/metadata/namespace",
        POD "/restartPolicy",
};

static const char *const permitted[] = {
        "/metadata/labels/*",
        "/metadata/annotations/*",
        "/spec/template/metadata/labels/*",
        "/spec/template/metadata/annotations/*",
        "/spec/template/metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict",
        POD "/affinity",
        POD "/dnsConfig",
        POD "/dnsPolicy",
        POD "/hostAliases",
        POD "/imagePullSecrets",
        POD "/initContainers",
        POD "/nodeSelector",
        POD "/resourceClaims",
        POD "/schedulerName",
        POD "/terminationGracePeriodSeconds",
        POD "/tolerations",
        POD "/topologySpreadConstraints",
};

#define CONTAINERS(path)                                                                           \
        POD "/containers/*" path, POD "/initContainers/*" path, POD "/ephemeralContainers/*" path

/* A host that the kubelet is to ask, as itself. */
#define PROBES(name) CONTAINERS("/" name "/httpGet/host"), CONTAINERS("/" name "/tcpSocket/host")

/* What reaches the node or another identity. */
static const char *const guarded[] = {
        POD "/automountServiceAccountToken",
        POD "/hostIPC",
        POD "/hostNetwork",
        POD "/hostPID",
        POD "/hostUsers",
        POD "/nodeName",
        POD "/priorityClassName",
        POD "/priority",
        POD "/preemptionPolicy",
        POD "/runtimeClassName",
        POD "/securityContext",
        POD "/serviceAccount",
        POD "/serviceAccountName",
        POD "/volumes/*/hostPath",
        POD "/volumes/*/projected/sources/*/serviceAccountToken",
        CONTAINERS("/securityContext"),
        CONTAINERS("/ports/*/hostPort"),
        CONTAINERS("/volumeDevices"),
        PROBES("livenessProbe"),
        PROBES("readinessProbe"),
        PROBES("startupProbe"),
        PROBES("lifecycle/postStart"),
        PROBES("lifecycle/preStop"),
};

/* Volumes that stay within the namespace; all others are guarded, whatever comes to be. */
static const char *const volumes[] = {
        "name",      "configMap", "csi",       "downwardAPI",           "emptyDir",
        "ephemeral", "image",     "projected", "persistentVolumeClaim", "secret",
};

/* Values that take away, or say nothing: nobody minds. */
static const struct harmless {
        const char *path;
        const char *value; /* as JSON text; NULL: any */
} harmless[] = {
        {POD "/automountServiceAccountToken", "false"},
        {POD "/hostIPC", "false"},
        {POD "/hostNetwork", "false"},
        {POD "/hostPID", "false"},
        {POD "/hostUsers", "false"},
        {POD "/securityContext", "{}"},
        {POD "/securityContext/runAsNonRoot", "true"},
        {POD "/securityContext/seccompProfile/type", "\"RuntimeDefault\""},
        {POD "/*/*/securityContext", "{}"},
        {POD "/*/*/securityContext/allowPrivilegeEscalation", "false"},
        {POD "/*/*/securityContext/capabilities/drop", NULL},
        {POD "/*/*/securityContext/privileged", "false"},
        {POD "/*/*/securityContext/readOnlyRootFilesystem", NULL},
        {POD "/*/*/securityContext/runAsNonRoot", "true"},
        {POD "/*/*/securityContext/seccompProfile/type", "\"RuntimeDefault\""},
};

/* ---- paths ---------------------------------------------------------------------------------- */

static size_t step_of(const char *path)
{
        return *path ? 1 + strcspn(path + 1, "/") : 0;
}

/* Of the listed one a "*" stands for any; what a user calls so is a name. */
static bool is_same_step(const char *listed, size_t len, const char *step, size_t step_len)
{
        bool any = len == 2 && listed[1] == '*';
        return any || (len == step_len && memcmp(listed, step, len) == 0);
}

/* Follows a listed path and another as far as they are the same. */
static void follow(const char **listed, const char **path)
{
        while (**listed && **path) {
                size_t len = step_of(*listed), path_len = step_of(*path);
                if (!is_same_step(*listed, len, *path, path_len))
                        return;
                *listed += len;
                *path += path_len;
        }
}

static bool covers(const char *listed, const char *path)
{
        follow(&listed, &path);
        return *listed == '\0';
}

static bool conflicts(const char *listed, const char *path)
{
        follow(&listed, &path);
        return *listed == '\0' || *path == '\0';
}

static size_t depth_of(const char *path)
{
        size_t depth = 0;
        for (; *path; path += step_of(path))
                depth++;
        return depth;
}

/* ---- rules ---------------------------------------------------------------------------------- */

struct walk {
        const struct gw_k8s_site *site;
        size_t skip;   /* of the pointer: where the Job begins in the request */
        bool is_patch; /* else a whole Job, of which only what is guarded matters */
        struct gw_error *err;
};

/* The i-th of the permitted paths, the site's after ours; NULL after the last. */
static const char *permitted_at(const struct walk *w, size_t i)
{
        if (i < GW_COUNT(permitted))
                return permitted[i];
        return json_string_value(json_array_get(w->site->patch_paths, i - GW_COUNT(permitted)));
}

/* Whether a path is permitted by one of at least this many steps. */
static bool is_permitted(const struct walk *w, const char *path, size_t depth)
{
        const char *listed;
        for (size_t i = 0; (listed = permitted_at(w, i)); i++)
                if (covers(listed, path) && depth_of(listed) >= depth)
                        return true;
        return false;
}

/* Whether it is on the list to the letter. */
static bool is_named(const struct walk *w, const char *path)
{
        const char *listed;
        for (size_t i = 0; (listed = permitted_at(w, i)); i++)
                if (strcmp(listed, path) == 0)
                        return true;
        return false;
}

/* What a user brings whole is looked at value by value; a patch replaces what is below, too. */
static bool reaches(const struct walk *w, const char *listed, const char *path)
{
        return w->is_patch ? conflicts(listed, path) : covers(listed, path);
}

static bool is_harmless(const char *path, const json_t *value)
{
        for (size_t i = 0; i < GW_COUNT(harmless); i++) {
                if (!covers(harmless[i].path, path))
                        continue;
                json_auto_t *wanted = harmless[i].value
                                              ? json_loads(harmless[i].value, JSON_DECODE_ANY, NULL)
                                              : NULL;
                if (!harmless[i].value || json_equal(wanted, value))
                        return true;
        }
        return false;
}

static bool is_never(const struct walk *w, const char *path)
{
        for (size_t i = 0; i < GW_COUNT(never); i++)
                if (reaches(w, never[i], path))
                        return true;
        return false;
}

/* The first guarded path that a value reaches and the site has not named. */
static bool is_guarded(const struct walk *w, const char *path)
{
        for (size_t i = 0; i < GW_COUNT(guarded); i++) {
                if (reaches(w, guarded[i], path) && !is_permitted(w, path, depth_of(guarded[i])))
                        return true;
        }
        return false;
}

/* A member of a volume that is none of those above, and that the site has not named. */
static bool is_other_volume(const struct walk *w, const char *path)
{
        static const char home[] = POD "/volumes/*";
        const char *listed = home, *step = path;
        follow(&listed, &step);
        if (*listed || !*step)
                return false;
        for (size_t i = 0; i < GW_COUNT(volumes); i++)
                if (strlen(volumes[i]) == step_of(step) - 1 &&
                    strncmp(step + 1, volumes[i], step_of(step) - 1) == 0)
                        return false;
        return !is_permitted(w, path, depth_of(home) + 1);
}

/* ---- labels and annotations ----------------------------------------------------------------- */

static const char *const maps[] = {"/metadata/labels", "/metadata/annotations",
                                   "/spec/template/metadata/labels",
                                   "/spec/template/metadata/annotations"};

static bool is_map(const char *path)
{
        for (size_t i = 0; i < GW_COUNT(maps); i++)
                if (strcmp(path, maps[i]) == 0)
                        return true;
        return false;
}

static void unescape(const char *step, char *out, size_t size)
{
        size_t n = 0;
        for (; *step && n + 1 < size; step++) {
                bool escape = *step == '~' && (step[1] == '0' || step[1] == '1');
                out[n++] = !escape ? *step : step[1] == '0' ? '~' : '/';
                step += escape;
        }
        out[n] = '\0';
}

/* The key of a path within a map. Returns whether it is one. */
static bool read_key(const char *path, char *out, size_t size)
{
        for (size_t i = 0; i < GW_COUNT(maps); i++) {
                const char *map = maps[i], *at = path;
                follow(&map, &at);
                if (*map || !*at)
                        continue;
                unescape(at + 1, out, size);
                return true;
        }
        return false;
}

/* ---- one value ------------------------------------------------------------------------------ */

static int refuse(const struct walk *w, const struct gw_pointer *at, const char *words)
{
        return gw_fail_at(w->err, GW_ERR_UNPROCESSABLE, at->text, "%s", words);
}

static int check_key(const struct walk *w, const struct gw_pointer *at, const char *key)
{
        const char *path = at->text + w->skip;
        if (gw_k8s_is_own_key(key))
                return refuse(w, at, "is the gateway's to set, or the Job controller's");
        if (gw_k8s_is_reserved_key(key) && !is_named(w, path))
                return refuse(w, at,
                              "means something to Kubernetes, and this site does not permit "
                              "it");
        return 0;
}

/* A value that is no object or list with something in it. */
static int check_value(const struct walk *w, const struct gw_pointer *at, const json_t *value)
{
        char key[GW_ERROR_POINTER];
        const char *path = at->text + w->skip;
        if (at->len + 8 >= sizeof at->text) /* it may have been cut */
                return refuse(w, at, "lies too deep, or has too long a name");
        if (is_map(path))
                return json_is_object(value) ? 0 : refuse(w, at, "must be an object");
        if (read_key(path, key, sizeof key) && check_key(w, at, key))
                return -1;
        if (is_never(w, path))
                return refuse(w, at, "is the gateway's to say");
        if (is_harmless(path, value))
                return 0;
        if (is_guarded(w, path) || is_other_volume(w, path))
                return refuse(w, at,
                              "reaches the node or another identity, and this site does not "
                              "permit it");
        if (w->is_patch && !is_permitted(w, path, 0))
                return refuse(w, at, "cannot be changed here: this site does not permit it");
        return 0;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static int check(const struct walk *w, struct gw_pointer *at, json_t *value, int depth)
{
        const char *name;
        json_t *item;
        size_t i;
        if (depth > GW_MAX_JSON_DEPTH)
                return refuse(w, at, "lies too deep, or has too long a name");
        if (json_object_size(value) == 0 && json_array_size(value) == 0)
                return check_value(w, at, value);
        json_object_foreach(value, name, item)
        {
                size_t mark = gw_pointer_enter(at, name, strlen(name));
                if (check(w, at, item, depth + 1))
                        return -1;
                gw_pointer_leave(at, mark);
        }
        json_array_foreach(value, i, item)
        {
                size_t mark = gw_pointer_enter_index(at, i);
                if (check(w, at, item, depth + 1))
                        return -1;
                gw_pointer_leave(at, mark);
        }
        return 0;
}

/* ---- applying ------------------------------------------------------------------------------- */

static int merge(json_t *target, const json_t *patch);

static int merge_member(json_t *target, const char *name, json_t *value)
{
        json_t *home = json_object_get(target, name);
        if (json_is_null(value)) {
                json_object_del(target, name);
                return 0;
        }
        if (!json_is_object(value))
                return json_object_set_new(target, name, json_deep_copy(value));
        if (json_is_object(home))
                return merge(home, value);
        /* Of a new object the nulls are left out, too. */
        home = json_object();
        return json_object_set_new(target, name, home) || merge(home, value) ? -1 : 0;
}

static int merge(json_t *target, const json_t *patch)
{
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)patch, name, value)
        {
                if (merge_member(target, name, value))
                        return -1;
        }
        return 0;
}

/* What a container leaves open. To drop all is no obstacle to what a site lets it add. One that the
 * site lets be privileged can have none of it. */
static int harden(json_t *container)
{
        json_t *own = json_object_get(container, "securityContext"), *capabilities;
        json_auto_t *defaults =
                json_pack("{s:b, s:{}}", "allowPrivilegeEscalation", 0, "capabilities");
        if (!json_is_object(container) || json_is_true(json_object_get(own, "privileged")))
                return 0;
        if (json_is_object(own) ? json_object_update_missing(own, defaults)
                                : json_object_set(container, "securityContext", defaults))
                return -1;
        own = json_object_get(container, "securityContext");
        capabilities = json_object_get(own, "capabilities");
        if (!json_is_object(capabilities)) /* what Kubernetes will refuse */
                return 0;
        return json_object_set_new(capabilities, "drop", json_pack("[s]", "ALL"));
}

int gw_k8s_harden(json_t *job)
{
        static const char *const lists[] = {"containers", "initContainers"};
        json_t *pod =
                json_object_get(json_object_get(json_object_get(job, "spec"), "template"), "spec");
        for (size_t l = 0; l < GW_COUNT(lists); l++) {
                size_t i;
                json_t *container;
                json_array_foreach(json_object_get(pod, lists[l]), i, container)
                {
                        if (harden(container))
                                return -1;
                }
        }
        return 0;
}

static int walk_from(const json_t *value, const char *pointer, bool is_patch,
                     const struct gw_k8s_site *site, struct gw_error *err)
{
        struct gw_pointer at;
        const struct walk w = {
                .site = site, .skip = strlen(pointer), .is_patch = is_patch, .err = err};
        gw_pointer_init(&at, pointer);
        if (!json_is_object(value))
                return refuse(&w, &at, "must be an object");
        if (json_object_size(value) == 0)
                return 0;
        return check(&w, &at, (json_t *)(uintptr_t)value, 0);
}

int gw_k8s_patch(json_t *job, const json_t *patch, const struct gw_k8s_site *site,
                 struct gw_error *err)
{
        if (walk_from(patch, PATCH, true, site, err))
                return -1;
        if (merge(job, patch) || gw_k8s_harden(job))
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return 0;
}

int gw_k8s_guard(const json_t *job, const char *pointer, const struct gw_k8s_site *site,
                 struct gw_error *err)
{
        return walk_from(job, pointer, false, site, err);
}
