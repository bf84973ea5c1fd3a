/* Volumes and mounts, as a table of their kinds. Any thread; pure but for memory. */
#include "backends/kubernetes/volumes.h"

#include <stdio.h>
#include <string.h>

#include "backends/kubernetes/name.h"
#include "server/base/cleanup.h"
#include "server/model/pointer.h"
#include "server/model/quantity.h"

#define MOST_VOLUMES 64
#define READ_AND_RUN 0555

struct work {
        const struct gw_k8s_site *site;
        json_t *volumes, *mounts;
        struct gw_error *err;
};

static int no_memory(const struct work *w)
{
        return gw_fail(w->err, GW_ERR_NOMEM, "out of memory");
}

/* Takes source, a reference; NULL: there was no memory. */
static int add(const struct work *w, const char *name, const char *path, json_t *source,
               bool read_only, const char *sub_path)
{
        json_t *mount = json_pack("{s:s, s:s}", "name", name, "mountPath", path);
        if (!source || !mount || json_object_set_new(source, "name", json_string(name)) ||
            (read_only && json_object_set_new(mount, "readOnly", json_true())) ||
            (sub_path && json_object_set_new(mount, "subPath", json_string(sub_path)))) {
                json_decref(source);
                json_decref(mount);
                return no_memory(w);
        }
        int rc = json_array_append_new(w->volumes, source);
        return json_array_append_new(w->mounts, mount) || rc ? no_memory(w) : 0;
}

/* ---- those of the spec ---------------------------------------------------------------------- */

static json_t *claim(const char *value)
{
        return json_pack("{s:{s:s}}", "persistentVolumeClaim", "claimName", value);
}

static json_t *config_map(const char *value)
{
        return json_pack("{s:{s:s}}", "configMap", "name", value);
}

static json_t *secret(const char *value)
{
        return json_pack("{s:{s:s}}", "secret", "secretName", value);
}

static json_t *host_path(const char *value)
{
        return json_pack("{s:{s:s}}", "hostPath", "path", value);
}

static json_t *empty(const char *value)
{
        return json_pack("{s:{s:s}}", "emptyDir", "sizeLimit", value);
}

static bool is_object(const struct gw_k8s_site *site, const char *value)
{
        (void)site;
        return gw_k8s_is_object_name(value);
}

static bool is_size(const struct gw_k8s_site *site, const char *value)
{
        int64_t bytes;
        (void)site;
        return gw_quantity_parse(value, &bytes, NULL) == 0;
}

static const struct kind {
        const char *member;
        bool (*permits)(const struct gw_k8s_site *site, const char *value);
        json_t *(*source)(const char *value);
        const char *words; /* where it is not */
} kinds[] = {
        {"claim", is_object, claim, "must be the name of a PersistentVolumeClaim"},
        {"config_map", is_object, config_map, "must be the name of a ConfigMap"},
        {"secret", is_object, secret, "must be the name of a Secret"},
        {"host_path", gw_k8s_host_path_permitted, host_path,
         "is no folder of the nodes that this site permits"},
        {"empty", is_size, empty, "must be a size, such as \"10Gi\""},
};

static const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

/* Whether a path has a step up. */
static bool climbs(const char *path)
{
        for (const char *at = path; (at = strstr(at, "..")); at += 2) {
                bool begins = at == path || at[-1] == '/';
                if (begins && (at[2] == '/' || at[2] == '\0'))
                        return true;
        }
        return false;
}

static bool is_inside(const char *path, const char *folder)
{
        size_t len = strlen(folder);
        while (len > 1 && folder[len - 1] == '/')
                len--;
        return strncmp(path, folder, len) == 0 &&
               (path[len] == '/' || path[len] == '\0' || folder[len - 1] == '/');
}

bool gw_k8s_host_path_permitted(const struct gw_k8s_site *site, const char *path)
{
        size_t i;
        const json_t *folder;
        json_array_foreach(site->host_paths, i, folder)
        {
                if (path[0] == '/' && !climbs(path) && is_inside(path, json_string_value(folder)))
                        return true;
        }
        return false;
}

static int fail_at(const struct work *w, const struct gw_pointer *at, const char *name,
                   const char *words)
{
        struct gw_pointer member = *at;
        if (name)
                gw_pointer_enter(&member, name, strlen(name));
        return gw_fail_at(w->err, GW_ERR_UNPROCESSABLE, member.text, "%s", words);
}

/* The only kind that a volume has; NULL: none, or several. */
static const struct kind *kind_of(const json_t *volume)
{
        const struct kind *found = NULL;
        for (size_t i = 0; i < GW_COUNT(kinds); i++) {
                if (!json_object_get(volume, kinds[i].member))
                        continue;
                if (found)
                        return NULL;
                found = &kinds[i];
        }
        return found;
}

/* A kind's value as a text: a size may be whole bytes. */
static const char *value_of(const json_t *volume, const struct kind *kind,
                            char bytes[GW_QUANTITY_TEXT])
{
        const json_t *value = json_object_get(volume, kind->member);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return json_string_value(value);
        gw_quantity_format(json_integer_value(value), bytes);
        return bytes;
}

/* A path of the container has one volume. */
static bool is_taken(const struct work *w, const char *path)
{
        size_t i;
        const json_t *mount;
        json_array_foreach(w->mounts, i, mount)
        {
                const char *other = text_of(mount, "mountPath");
                if (is_inside(path, other) && is_inside(other, path))
                        return true;
        }
        return is_inside(path, GW_K8S_FOLDER);
}

static int add_volume(const struct work *w, const json_t *volume, size_t number,
                      const struct gw_pointer *at)
{
        char name[32], bytes[GW_QUANTITY_TEXT];
        const char *path = text_of(volume, "path"), *sub_path = text_of(volume, "sub_path");
        const struct kind *kind = kind_of(volume);
        snprintf(name, sizeof name, "volume-%zu", number);
        if (!path || path[0] != '/' || path[1] == '\0' || strchr(path, ':') || climbs(path))
                return fail_at(w, at, "path",
                               "must be an absolute path in the container, without \":\"");
        if (is_taken(w, path))
                return fail_at(w, at, "path", "is another volume's already");
        if (!kind)
                return fail_at(w, at, NULL,
                               "must have one of claim, config_map, secret, host_path and empty");
        const char *value = value_of(volume, kind, bytes);
        if (!value || !kind->permits(w->site, value))
                return fail_at(w, at, kind->member, kind->words);
        if (sub_path && (sub_path[0] == '/' || climbs(sub_path)))
                return fail_at(w, at, "sub_path", "must be a path inside of the volume");
        return add(w, name, path, kind->source(value),
                   json_is_true(json_object_get(volume, "read_only")), sub_path);
}

static int add_volumes(const struct work *w, const json_t *volumes)
{
        size_t i;
        const json_t *volume;
        struct gw_pointer at;
        gw_pointer_init(&at, "/volumes");
        if (json_array_size(volumes) > MOST_VOLUMES)
                return fail_at(w, &at, NULL, "are too many: a job has at most 64");
        json_array_foreach(volumes, i, volume)
        {
                size_t mark = gw_pointer_enter_index(&at, i);
                if (add_volume(w, volume, i, &at))
                        return -1;
                gw_pointer_leave(&at, mark);
        }
        return 0;
}

/* ---- ours ----------------------------------------------------------------------------------- */

static int add_space(const struct work *w, const char *name, const char *path, int64_t bytes,
                     const char *medium)
{
        char size[GW_QUANTITY_TEXT];
        if (bytes == 0)
                return 0;
        gw_quantity_format(bytes, size);
        json_t *source = medium ? json_pack("{s:{s:s, s:s}}", "emptyDir", "medium", medium,
                                            "sizeLimit", size)
                                : empty(size);
        return add(w, name, path, source, false, NULL);
}

static json_t *item_of(const char *name)
{
        char key[128];
        snprintf(key, sizeof key, "metadata.annotations['" GW_K8S_DOMAIN "/%s']", name);
        return json_pack("{s:s, s:{s:s}}", "path", name, "fieldRef", "fieldPath", key);
}

static json_t *from_annotations(const json_t *files)
{
        const char *name;
        json_t *text, *items = json_array();
        json_object_foreach((json_t *)(uintptr_t)files, name, text)
        {
                if (json_array_append_new(items, item_of(name))) {
                        json_decref(items);
                        return NULL;
                }
        }
        return json_pack("{s:{s:o, s:i}}", "downwardAPI", "items", items, "defaultMode",
                         READ_AND_RUN);
}

static int add_files(const struct work *w, const struct gw_k8s_program *program, const char *name)
{
        if (program->carrier == GW_K8S_NO_FILES)
                return 0;
        json_t *source = program->carrier == GW_K8S_ANNOTATIONS
                                 ? from_annotations(program->files)
                                 : json_pack("{s:{s:s, s:i}}", "configMap", "name", name,
                                             "defaultMode", READ_AND_RUN);
        return add(w, "jobgate-program", GW_K8S_FOLDER, source, true, NULL);
}

int gw_k8s_volumes(const struct gw_spec *spec, const struct gw_k8s_site *site,
                   const struct gw_k8s_program *program, const char *config_map_name,
                   json_t *volumes, json_t *mounts, struct gw_error *err)
{
        const struct work w = {site, volumes, mounts, err};
        if (add_space(&w, "jobgate-scratch", "/tmp", spec->scratch_bytes, NULL) ||
            add_space(&w, "jobgate-shm", "/dev/shm", spec->shared_memory_bytes, "Memory") ||
            add_files(&w, program, config_map_name))
                return -1;
        return add_volumes(&w, json_object_get(spec->json, "volumes"));
}
