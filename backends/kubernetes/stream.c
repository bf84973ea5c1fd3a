/* Lines of a watch as events. Any thread; an instance belongs to one. */
#include "backends/kubernetes/stream.h"

#include <string.h>

#include "backends/kubernetes/record.h"
#include "server/base/cleanup.h"

static const struct {
        const char *type;
        enum gw_k8s_event event;
} types[] = {
        {"ADDED", GW_K8S_ADDED},       {"MODIFIED", GW_K8S_MODIFIED}, {"DELETED", GW_K8S_DELETED},
        {"BOOKMARK", GW_K8S_BOOKMARK}, {"ERROR", GW_K8S_ERROR},
};

static bool event_of(const char *type, enum gw_k8s_event *ret)
{
        for (size_t i = 0; i < GW_COUNT(types); i++) {
                if (strcmp(types[i].type, type) == 0) {
                        *ret = types[i].event;
                        return true;
                }
        }
        return false;
}

static bool refuse(struct gw_k8s_stream *s, enum gw_error_code code, const char *what)
{
        gw_fail(&s->error, code, "%s", what);
        s->stopped = true;
        return false;
}

/* NUL is allowed: a container may write one into its termination message. */
static bool take_line(void *arg, const struct gw_line *line)
{
        struct gw_k8s_stream *s = arg;
        enum gw_k8s_event event;
        if (!line->text)
                return refuse(s, GW_ERR_TOO_LARGE, "a line of the watch is too long");
        json_auto_t *read = json_loadb(line->text, line->len, JSON_ALLOW_NUL, NULL);
        json_t *object = json_object_get(read, "object");
        if (!json_is_object(object) || !event_of(gw_k8s_text(read, "type"), &event))
                return refuse(s, GW_ERR_INVALID, "a line of the watch is no event");
        s->stopped = !s->take(s->arg, event, object);
        return !s->stopped;
}

void gw_k8s_stream_init(struct gw_k8s_stream *s, size_t max, gw_k8s_take_event take, void *arg)
{
        *s = (struct gw_k8s_stream){.take = take, .arg = arg};
        gw_lines_init(&s->lines, max, take_line, s);
}

void gw_k8s_stream_done(struct gw_k8s_stream *s)
{
        gw_lines_done(&s->lines);
}

int gw_k8s_stream_add(struct gw_k8s_stream *s, const char *data, size_t len, struct gw_error *err)
{
        if (!s->stopped && len > 0)
                gw_lines_add(&s->lines, data, len);
        return s->error.code == GW_OK ? 0 : gw_fail(err, s->error.code, "%s", s->error.message);
}
