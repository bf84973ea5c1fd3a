/* The table of the API server's errors. Any thread; keeps nothing. */
#include "backends/kubernetes/status.h"

#include <stdio.h>
#include <string.h>

#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

/* The first row that fits holds. By the seen answers of Kubernetes 1.37. */
static const struct {
        int code;           /* 0: any */
        const char *reason; /* NULL: any */
        enum gw_k8s_verdict verdict;
} rows[] = {
        {409, "AlreadyExists", GW_K8S_EXISTS},
        {409, NULL, GW_K8S_CONFLICT},
        {404, NULL, GW_K8S_ABSENT},
        {410, NULL, GW_K8S_EXPIRED},
        {401, NULL, GW_K8S_UNAUTHENTICATED},
        {403, NULL, GW_K8S_FORBIDDEN},
        {429, NULL, GW_K8S_LATER},
        {408, NULL, GW_K8S_UNKNOWN}, /* whoever says so had it for a while */
};

static const char *const names[GW_K8S_VERDICT_COUNT] = {
        [GW_K8S_OK] = "ok",
        [GW_K8S_EXISTS] = "exists",
        [GW_K8S_CONFLICT] = "conflict",
        [GW_K8S_ABSENT] = "absent",
        [GW_K8S_EXPIRED] = "expired",
        [GW_K8S_REFUSED] = "refused",
        [GW_K8S_FORBIDDEN] = "forbidden",
        [GW_K8S_UNAUTHENTICATED] = "unauthenticated",
        [GW_K8S_LATER] = "later",
        [GW_K8S_NOT_SENT] = "not_sent",
        [GW_K8S_CANCELLED] = "cancelled",
        [GW_K8S_TOO_LARGE] = "too_large",
        [GW_K8S_UNKNOWN] = "unknown",
};

const char *gw_k8s_verdict_name(enum gw_k8s_verdict verdict)
{
        return names[verdict];
}

/* What is in no row: an error of the client's is one of what was asked. */
static enum gw_k8s_verdict verdict_of(int code, const char *reason)
{
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                if (rows[i].code == code && (!rows[i].reason || !strcmp(rows[i].reason, reason)))
                        return rows[i].verdict;
        return code >= 400 && code < 500 ? GW_K8S_REFUSED : GW_K8S_UNKNOWN;
}

static void copy(char *to, size_t size, const json_t *object, const char *path)
{
        gw_str_copy(to, size, gw_k8s_text(object, path));
}

static void read_causes(const json_t *status, struct gw_k8s_status *ret)
{
        size_t i;
        const json_t *cause;
        json_array_foreach(gw_k8s_member(status, "details.causes"), i, cause)
        {
                if (i >= GW_MAX_K8S_CAUSES)
                        break;
                struct gw_k8s_cause *to = &ret->causes[ret->cause_count++];
                copy(to->field, sizeof to->field, cause, "field");
                copy(to->reason, sizeof to->reason, cause, "reason");
                copy(to->message, sizeof to->message, cause, "message");
        }
}

static void read_error(int code, const json_t *status, struct gw_k8s_status *ret)
{
        *ret = (struct gw_k8s_status){.code = code};
        copy(ret->reason, sizeof ret->reason, status, "reason");
        copy(ret->message, sizeof ret->message, status, "message");
        if (!ret->message[0])
                snprintf(ret->message, sizeof ret->message, "the server answered %d", code);
        int64_t s = json_integer_value(gw_k8s_member(status, "details.retryAfterSeconds"));
        if (s > 0 && s < INT64_MAX / GW_SECOND)
                ret->retry_after_us = s * GW_SECOND;
        read_causes(status, ret);
        ret->verdict = verdict_of(code, ret->reason);
}

static bool is_status(const json_t *body)
{
        return strcmp(gw_k8s_text(body, "kind"), "Status") == 0;
}

void gw_k8s_status_read(int code, const json_t *body, struct gw_k8s_status *ret)
{
        if (code >= 200 && code < 300)
                *ret = (struct gw_k8s_status){.verdict = GW_K8S_OK, .code = code};
        else
                read_error(code, is_status(body) ? body : NULL, ret);
}

void gw_k8s_status_of_event(const json_t *object, struct gw_k8s_status *ret)
{
        json_int_t code = json_integer_value(gw_k8s_member(object, "code"));
        read_error(code >= 400 && code < 600 ? (int)code : 500, object, ret);
}

void gw_k8s_status_words(const struct gw_k8s_status *status, char words[GW_K8S_STATUS_WORDS])
{
        size_t len = 0;
        words[0] = '\0';
        for (size_t i = 0; i < status->cause_count && len < GW_K8S_STATUS_WORDS; i++) {
                const struct gw_k8s_cause *cause = &status->causes[i];
                len += (size_t)snprintf(words + len, GW_K8S_STATUS_WORDS - len, "%s%s%s%s",
                                        i ? "; " : "", cause->field, cause->field[0] ? ": " : "",
                                        cause->message);
        }
        if (len == 0)
                snprintf(words, GW_K8S_STATUS_WORDS, "%s", status->message);
}
