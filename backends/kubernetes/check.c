/* Jobs against what is known besides. Any thread; keeps nothing. */
#include "backends/kubernetes/check.h"

#include <stdint.h>
#include <string.h>

#include "backends/kubernetes/amounts.h"
#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"

static bool begins(const char *text, const char *part)
{
        return strncmp(text, part, strlen(part)) == 0;
}

/* ---- images ---------------------------------------------------------------------------------- */

#define SMALL "abcdefghijklmnopqrstuvwxyz"
#define LARGE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define HEX "0123456789abcdefABCDEF"
#define MOST_TAG 128
#define MOST_PATH 255

/* Parts of these, with one of the separators between two of them, or two "_", or some "-". */
static bool is_path_part(const char *text, size_t len)
{
        bool open = false; /* after a letter or digit */
        for (size_t i = 0; i < len; i++) {
                size_t run = strspn(text + i, "-");
                if (strchr(SMALL DIGITS, text[i])) {
                        open = true;
                        continue;
                }
                if (run == 0)
                        run = text[i] == '_' && text[i + 1] == '_' ? 2 : strspn(text + i, "._") > 0;
                if (!open || run == 0)
                        return false;
                open = false;
                i += run - 1;
        }
        return open;
}

/* A host with a port, perhaps; only a first part that has a dot or a colon, or is localhost, is
 * taken for one. */
static bool is_registry(const char *text, size_t len)
{
        const char *colon = memchr(text, ':', len);
        size_t host = colon ? (size_t)(colon - text) : len;
        if (host == 0 || strspn(text, SMALL LARGE DIGITS ".-") < host || text[0] == '-' ||
            text[0] == '.' || text[host - 1] == '-' || text[host - 1] == '.')
                return false;
        return !colon || (len > host + 1 && strspn(colon + 1, DIGITS) >= len - host - 1);
}

static bool is_named_registry(const char *text, size_t len)
{
        return memchr(text, '.', len) || memchr(text, ':', len) ||
               (len == strlen("localhost") && memcmp(text, "localhost", len) == 0);
}

static bool is_path(const char *text, size_t len)
{
        size_t first = strcspn(text, "/");
        if (first < len && is_named_registry(text, first)) {
                if (!is_registry(text, first))
                        return false;
                text += first + 1;
                len -= first + 1;
        }
        if (len > MOST_PATH)
                return false;
        for (size_t part; len > 0; text += part + 1, len -= part + 1) {
                part = strcspn(text, "/");
                if (part >= len)
                        return is_path_part(text, len);
                if (!is_path_part(text, part))
                        return false;
        }
        return false;
}

/* Ends the name where it begins. */
static bool is_tag(const char *text, size_t len)
{
        return len > 0 && len <= MOST_TAG && text[0] != '.' && text[0] != '-' &&
               strspn(text, SMALL LARGE DIGITS "_.-") >= len;
}

static bool is_digest(const char *text)
{
        size_t kind = strspn(text, SMALL LARGE DIGITS "+._-");
        size_t hex = text[kind] == ':' ? strspn(text + kind + 1, HEX) : 0;
        return kind > 0 && hex >= 32 && text[kind + 1 + hex] == '\0';
}

bool gw_k8s_is_image(const char *text)
{
        size_t len = strcspn(text, "@"), slash = len;
        if (text[len] == '@' && !is_digest(text + len + 1))
                return false;
        while (slash > 0 && text[slash - 1] != '/')
                slash--;
        const char *tag = memchr(text + slash, ':', len - slash);
        if (!tag)
                return is_path(text, len);
        size_t name = (size_t)(tag - text);
        return is_tag(tag + 1, len - name - 1) && name > 0 && is_path(text, name);
}

/* ---- a Job's pod ----------------------------------------------------------------------------- */

static const json_t *containers_of(const json_t *job)
{
        return gw_k8s_member(job, "spec.template.spec.containers");
}

int gw_k8s_check_images(const json_t *job, struct gw_error *err)
{
        size_t i;
        const json_t *container;
        json_array_foreach(containers_of(job), i, container)
        {
                const char *image = gw_k8s_text(container, "image");
                if (!gw_k8s_is_image(image))
                        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, "/image",
                                          "\"%.200s\" is no name of an image, which is as "
                                          "registry.example.org/team/name:tag",
                                          image);
        }
        return 0;
}

/* ---- quotas ---------------------------------------------------------------------------------- */

/* A line of a quota, by which of a container's lists, and of what. */
struct counted {
        const char *list, *resource;
};

static struct counted counted_by(const char *key)
{
        static const struct {
                const char *key, *list;
                const char *resource; /* NULL: what follows */
        } rows[] = {
                {"requests.", "requests", NULL},
                {"limits.", "limits", NULL},
                {"cpu", "requests", "cpu"},
                {"memory", "requests", "memory"},
                {"ephemeral-storage", "requests", "ephemeral-storage"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++) {
                if (!rows[i].resource && begins(key, rows[i].key))
                        return (struct counted){rows[i].list, key + strlen(rows[i].key)};
                if (rows[i].resource && strcmp(key, rows[i].key) == 0)
                        return (struct counted){rows[i].list, rows[i].resource};
        }
        return (struct counted){NULL, NULL};
}

static const char *pointer_of(const char *resource)
{
        static const char *const rows[][2] = {
                {"cpu", "/resources/cpus"},
                {"memory", "/resources/memory"},
                {"ephemeral-storage", "/resources/scratch"},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                if (strcmp(resource, rows[i][0]) == 0)
                        return rows[i][1];
        return "/resources/gpus";
}

static int check_line(const json_t *job, const char *quota, const char *key, const json_t *hard,
                      struct gw_error *err)
{
        struct counted c = counted_by(key);
        const char *most = json_string_value(hard);
        int64_t allowed;
        if (strcmp(key, "pods") == 0 || strcmp(key, "count/pods") == 0) {
                if (gw_k8s_amount("", hard, &allowed) == 0 && allowed == 0)
                        return gw_fail(err, GW_ERR_UNPROCESSABLE,
                                       "the quota %s of the namespace allows no pods", quota);
                return 0;
        }
        if (!c.list || gw_k8s_amount(c.resource, hard, &allowed) ||
            gw_k8s_sum(containers_of(job), c.list, c.resource) <= allowed)
                return 0;
        return gw_fail_at(err, GW_ERR_UNPROCESSABLE, pointer_of(c.resource),
                          "the quota %s of the namespace allows %s=%s to all its jobs together",
                          quota, key, most ? most : "less");
}

static int check_quota(const json_t *job, const json_t *quota, struct gw_error *err)
{
        const json_t *spec = json_object_get(quota, "spec");
        const char *key;
        json_t *hard;
        if (json_array_size(json_object_get(spec, "scopes")) > 0 ||
            json_object_get(spec, "scopeSelector"))
                return 0;
        json_object_foreach(json_object_get(spec, "hard"), key, hard)
        {
                if (check_line(job, gw_k8s_text(quota, "metadata.name"), key, hard, err))
                        return -1;
        }
        return 0;
}

int gw_k8s_check_quotas(const json_t *job, const json_t *quotas, struct gw_error *err)
{
        size_t i;
        const json_t *quota;
        json_array_foreach(quotas, i, quota)
        {
                if (check_quota(job, quota, err))
                        return -1;
        }
        return 0;
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* The first row that the field begins with. */
static const char *const members[][2] = {
        {"spec.template.spec.containers[0].image", "/image"},
        {"spec.template.spec.containers[0].command", "/command"},
        {"spec.template.spec.containers[0].args", "/command"},
        {"spec.template.spec.containers[0].env", "/environment"},
        {"spec.template.spec.containers[0].workingDir", "/working_directory"},
        {"spec.template.spec.containers[0].volumeMounts", "/volumes"},
        {"spec.template.spec.containers[0].resources.requests[cpu]", "/resources/cpus"},
        {"spec.template.spec.containers[0].resources.limits[cpu]", "/resources/cpus"},
        {"spec.template.spec.containers[0].resources.requests[memory]", "/resources/memory"},
        {"spec.template.spec.containers[0].resources.limits[memory]", "/resources/memory"},
        {"spec.template.spec.containers[0].resources.requests[ephemeral-storage]",
         "/resources/scratch"},
        {"spec.template.spec.containers[0].resources", "/resources"},
        {"spec.template.spec.volumes", "/volumes"},
        {"spec.template.spec.nodeSelector", "/node_selector"},
        {"spec.template.spec.priorityClassName", "/priority"},
        {"spec.template.spec.activeDeadlineSeconds", "/time_limit"},
        {"spec.completions", "/array"},
        {"spec.parallelism", "/array"},
        {"metadata.labels", "/labels"},
};

const char *gw_k8s_member_of(const char *field)
{
        for (size_t i = 0; i < GW_COUNT(members); i++)
                if (begins(field, members[i][0]))
                        return members[i][1];
        return "";
}
