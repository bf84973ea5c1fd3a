/* Names, labels and annotations of a submission's objects. Any thread; pure but for memory. */
#include "backends/kubernetes/name.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/base/cleanup.h"

#define PREFIX "jg-"
#define MAX_SEGMENT 63    /* of a key behind its prefix, and of a label's value */
#define MAX_SUBDOMAIN 253 /* of a prefix, and of an object's name */

/* PREFIX, the id, "-" and the largest number. */
_Static_assert(GW_K8S_NAME == sizeof PREFIX - 1 + GW_ID_TEXT - 1 + 1 + 10 + 1, "room for any mark");

void gw_k8s_name(struct gw_mark mark, char out[GW_K8S_NAME])
{
        char id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(out, GW_K8S_NAME, PREFIX "%s-%" PRIu32, id, mark.number);
}

void gw_k8s_selector(struct gw_mark mark, char out[GW_K8S_SELECTOR])
{
        char id[GW_ID_TEXT];
        gw_id_format(mark.job, id);
        snprintf(out, GW_K8S_SELECTOR, GW_K8S_LABEL_JOB "=%s," GW_K8S_LABEL_SUBMISSION "=%" PRIu32,
                 id, mark.number);
}

int gw_k8s_mark_of(const json_t *object, struct gw_mark *ret)
{
        const json_t *metadata = json_object_get(object, "metadata");
        const char *text = json_string_value(
                json_object_get(json_object_get(metadata, "annotations"), GW_K8S_ANNOTATION_MARK));
        return text ? gw_mark_parse(text, ret) : -1;
}

/* ---- what Kubernetes takes ---------------------------------------------------------------- */

/* Letters and digits at both ends, these marks between them too. */
static bool is_segment(const char *text, size_t len, const char *marks)
{
        if (len == 0 || !isalnum((unsigned char)text[0]) || !isalnum((unsigned char)text[len - 1]))
                return false;
        for (size_t i = 0; i < len; i++)
                if (!isalnum((unsigned char)text[i]) && !strchr(marks, text[i]))
                        return false;
        return true;
}

/* DNS labels with dots between them, in lower case. */
static bool is_subdomain(const char *text, size_t len)
{
        if (len == 0 || len > MAX_SUBDOMAIN)
                return false;
        for (size_t i = 0; i < len; i++)
                if (isupper((unsigned char)text[i]))
                        return false;
        for (size_t at = 0; at <= len;) {
                const char *dot = memchr(text + at, '.', len - at);
                size_t end = dot ? (size_t)(dot - text) : len;
                if (!is_segment(text + at, end - at, "-"))
                        return false;
                at = end + 1;
        }
        return true;
}

bool gw_k8s_is_key(const char *text)
{
        const char *slash = strchr(text, '/');
        const char *name = slash ? slash + 1 : text;
        if (slash && !is_subdomain(text, (size_t)(slash - text)))
                return false;
        return strlen(name) <= MAX_SEGMENT && is_segment(name, strlen(name), "-_.");
}

bool gw_k8s_is_label_value(const char *text)
{
        size_t len = strlen(text);
        return len == 0 || (len <= MAX_SEGMENT && is_segment(text, len, "-_."));
}

bool gw_k8s_is_object_name(const char *text)
{
        return is_subdomain(text, strlen(text));
}

/* ---- whose a key is ------------------------------------------------------------------------- */

enum whose { ANYBODYS, KUBERNETES, OWN };

/* The first that fits decides. */
static const struct owner {
        const char *name;
        bool is_domain; /* of a prefix, with everything below it; else a whole key */
        enum whose whose;
} owners[] = {
        {GW_K8S_DOMAIN, true, OWN},
        {"batch.kubernetes.io", true, OWN},
        {"job-name", false, OWN},
        {"controller-uid", false, OWN},
        {"app.kubernetes.io", true, ANYBODYS},
        {"kubernetes.io", true, KUBERNETES},
        {"k8s.io", true, KUBERNETES},
        {"x-k8s.io", true, KUBERNETES},
};

static bool is_within(const char *prefix, size_t len, const char *domain)
{
        size_t n = strlen(domain);
        if (len < n || strncmp(prefix + len - n, domain, n) != 0)
                return false;
        return len == n || prefix[len - n - 1] == '.';
}

static enum whose whose_is(const char *key)
{
        const char *slash = strchr(key, '/');
        for (size_t i = 0; i < GW_COUNT(owners); i++) {
                const struct owner *row = &owners[i];
                if (row->is_domain ? slash && is_within(key, (size_t)(slash - key), row->name)
                                   : strcmp(key, row->name) == 0)
                        return row->whose;
        }
        return ANYBODYS;
}

bool gw_k8s_is_own_key(const char *key)
{
        return whose_is(key) == OWN;
}

bool gw_k8s_is_reserved_key(const char *key)
{
        return whose_is(key) != ANYBODYS;
}

/* ---- labels and annotations ----------------------------------------------------------------- */

static int set_text(json_t *object, const char *key, const char *value)
{
        return json_object_set_new(object, key, json_string(value));
}

static int set_own_labels(json_t *to, const json_t *labels)
{
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)labels, key, value)
        {
                const char *text = json_string_value(value);
                if (!text || !gw_k8s_is_key(key) || gw_k8s_is_reserved_key(key) ||
                    !gw_k8s_is_label_value(text))
                        continue;
                if (set_text(to, key, text))
                        return -1;
        }
        return 0;
}

static int set_labels(json_t *to, struct gw_mark mark, const char *name, const char *project)
{
        char id[GW_ID_TEXT], number[16];
        gw_id_format(mark.job, id);
        snprintf(number, sizeof number, "%" PRIu32, mark.number);
        if (set_text(to, "app.kubernetes.io/managed-by", "jobgate") ||
            set_text(to, GW_K8S_LABEL_JOB, id) || set_text(to, GW_K8S_LABEL_SUBMISSION, number))
                return -1;
        if (name && gw_k8s_is_label_value(name) && set_text(to, GW_K8S_LABEL_NAME, name))
                return -1;
        if (project && gw_k8s_is_label_value(project) &&
            set_text(to, GW_K8S_LABEL_PROJECT, project))
                return -1;
        return 0;
}

json_t *gw_k8s_labels(struct gw_mark mark, const char *name, const char *project,
                      const json_t *labels)
{
        json_t *to = json_object();
        if (to && set_own_labels(to, labels) == 0 && set_labels(to, mark, name, project) == 0)
                return to;
        json_decref(to);
        return NULL;
}

static int set_annotations(json_t *to, struct gw_mark mark, const char *name, const json_t *labels)
{
        char text[GW_MARK_TEXT];
        gw_mark_format(mark, text);
        if (set_text(to, GW_K8S_ANNOTATION_MARK, text) ||
            (name && set_text(to, GW_K8S_ANNOTATION_NAME, name)))
                return -1;
        if (json_object_size(labels) == 0)
                return 0;
        gw_autofree char *all = json_dumps(labels, JSON_COMPACT);
        return all ? set_text(to, GW_K8S_ANNOTATION_LABELS, all) : -1;
}

json_t *gw_k8s_annotations(struct gw_mark mark, const char *name, const json_t *labels)
{
        json_t *to = json_object();
        if (to && set_annotations(to, mark, name, labels) == 0)
                return to;
        json_decref(to);
        return NULL;
}
