/*
 * The list and the watch. One call is out at most; what is next is a step, and `at_us` when. Run
 * by the client's thread.
 *
 * Invariants: `version` is that of what was told last, and empty until a list is complete; a list
 * has no place but its page mark. Whoever is called may stop the watch: after each call it is
 * looked at.
 */
#include "backends/kubernetes/watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backends/kubernetes/backoff.h"
#include "backends/kubernetes/record.h"
#include "backends/kubernetes/stream.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define USUAL_PAGE 200
#define USUAL_TIMEOUT_S 290
#define USUAL_SILENCE_MS 90000
#define VERSION_SIZE 128
#define LIVED_US (5 * GW_SECOND)      /* a watch that lived so long was one, though nothing came */
#define EOF_AGAIN_US (GW_SECOND / 10) /* after one that was shorter, though something came */
#define LIST_AFTER_FAILURES 4         /* of a watch, answered each: perhaps it is the version */

enum step {
        LIST_FIRST, /* the first page */
        LIST_NEXT,  /* the page at the mark */
        WATCH,      /* from the version on */
};

struct gw_k8s_watch {
        struct gw_k8s_client *client;
        enum gw_k8s_kind kind;
        char *ns, *labels, *fields;
        unsigned timeout_s;
        int64_t silence_ms;
        const struct gw_k8s_watch_ops *ops;
        void *arg;

        enum step step;
        bool out; /* the call is */
        bool stopping;
        int64_t at_us; /* when the step is due */
        int64_t heard_us;
        int64_t asked_us, listed_us; /* wall: of the list that is asked for, that is told */
        unsigned failures;           /* in a row */
        bool in_trouble;             /* it was told, and not yet that all is well */
        unsigned limit;              /* items of a page; fewer after one that was too large */
        char *mark;                  /* of the next page */
        char version[VERSION_SIZE];

        struct gw_k8s_call call;
        struct gw_k8s_stream stream;
        int64_t began_us;
        bool heard;                   /* an event of this watch, that was no error */
        struct gw_k8s_status trouble; /* that was in its stream; verdict OK: none */
};

/* ---- going on -------------------------------------------------------------------------------- */

static void due(struct gw_k8s_watch *w, enum step step, int64_t after_us)
{
        w->step = step;
        w->at_us = gw_clock_mono_us() + after_us;
}

static uint32_t chance(void)
{
        uint32_t number = 0;
        ssize_t ignored = getrandom(&number, sizeof number, GRND_NONBLOCK);
        (void)ignored;
        return number;
}

static void failed(struct gw_k8s_watch *w, enum step step, const struct gw_k8s_status *status)
{
        if (w->failures < UINT32_MAX)
                w->failures++;
        due(w, step, gw_k8s_backoff_us(w->failures, status->retry_after_us, chance()));
        /* That a version is forgotten is nobody's fault. */
        if (status->verdict == GW_K8S_EXPIRED || w->stopping)
                return;
        w->in_trouble = true;
        if (w->ops->trouble)
                w->ops->trouble(w->arg, status);
}

static void all_is_well(struct gw_k8s_watch *w)
{
        bool was = w->in_trouble;
        w->in_trouble = false;
        if (was && w->ops->well && !w->stopping)
                w->ops->well(w->arg);
}

static void hear(struct gw_k8s_watch *w)
{
        w->heard_us = gw_clock_wall_us();
}

/* The version that an object was seen at. One that does not fit is no version: then the last one
 * stays, and what came since is told again. */
static void take_version(struct gw_k8s_watch *w, const json_t *object)
{
        const char *version = gw_k8s_text(object, "metadata.resourceVersion");
        if (*version && strlen(version) < VERSION_SIZE)
                gw_str_copy(w->version, sizeof w->version, version);
}

/* ---- the list -------------------------------------------------------------------------------- */

static void tell_page(struct gw_k8s_watch *w, const json_t *list)
{
        size_t i;
        json_t *item;
        if (w->step == LIST_FIRST)
                w->listed_us = w->asked_us;
        if (w->step == LIST_FIRST && !w->stopping)
                w->ops->begin(w->arg);
        json_array_foreach(json_object_get(list, "items"), i, item)
        {
                if (!w->stopping)
                        w->ops->object(w->arg, GW_K8S_SEEN, item);
        }
}

static void take_page(struct gw_k8s_watch *w, json_t *list)
{
        const char *mark = gw_k8s_text(list, "metadata.continue");
        hear(w);
        tell_page(w, list);
        free(GW_TAKE(w->mark));
        if (*mark) {
                w->mark = strdup(mark);
                due(w, w->mark ? LIST_NEXT : LIST_FIRST, 0);
                return;
        }
        take_version(w, list);
        due(w, WATCH, 0);
        if (!w->stopping)
                w->ops->listed(w->arg);
}

static bool is_list(const json_t *object)
{
        return json_is_array(json_object_get(object, "items")) &&
               *gw_k8s_text(object, "metadata.resourceVersion");
}

/* Only what is too large is asked for differently; the mark of a page is good for any size. */
static void list_failed(struct gw_k8s_watch *w)
{
        enum gw_k8s_verdict verdict = w->call.status.verdict;
        bool can_shrink = verdict == GW_K8S_TOO_LARGE && w->limit > 1;
        if (can_shrink)
                w->limit /= 2;
        if (can_shrink)
                due(w, w->step, 0);
        else
                failed(w, verdict == GW_K8S_EXPIRED ? LIST_FIRST : w->step, &w->call.status);
}

static void page_came(struct gw_k8s_watch *w)
{
        if (w->call.status.verdict == GW_K8S_OK && is_list(w->call.object)) {
                take_page(w, w->call.object);
                return;
        }
        if (w->call.status.verdict == GW_K8S_OK)
                w->call.status = (struct gw_k8s_status){.verdict = GW_K8S_UNKNOWN,
                                                        .message = "the answer is no list"};
        list_failed(w);
}

/* ---- the watch ------------------------------------------------------------------------------- */

static void tell_object(struct gw_k8s_watch *w, enum gw_k8s_event event, json_t *object)
{
        take_version(w, object);
        if (event != GW_K8S_BOOKMARK)
                w->ops->object(w->arg, event == GW_K8S_DELETED ? GW_K8S_REMOVED : GW_K8S_SEEN,
                               object);
}

static bool take_event(void *arg, enum gw_k8s_event event, json_t *object)
{
        struct gw_k8s_watch *w = arg;
        if (event == GW_K8S_ERROR) {
                gw_k8s_status_of_event(object, &w->trouble);
                return false;
        }
        w->heard = true;
        w->failures = 0;
        all_is_well(w);
        tell_object(w, event, object);
        return !w->stopping;
}

static void cannot_read(struct gw_k8s_watch *w, const struct gw_error *why)
{
        if (w->trouble.verdict != GW_K8S_OK)
                return;
        w->trouble.verdict = why->code == GW_ERR_TOO_LARGE ? GW_K8S_TOO_LARGE : GW_K8S_UNKNOWN;
        gw_str_copy(w->trouble.message, sizeof w->trouble.message, why->message);
}

/* What is said in the stream that it ends by is acted on when the call is home. */
static bool take_piece(struct gw_k8s_call *call, const char *text, size_t len)
{
        struct gw_k8s_watch *w = call->owner;
        struct gw_error why = {0};
        hear(w);
        if (!text)
                all_is_well(w);
        else if (gw_k8s_stream_add(&w->stream, text, len, &why))
                cannot_read(w, &why);
        if (w->trouble.verdict != GW_K8S_OK && !w->stopping)
                gw_k8s_call_cancel(call);
        return true;
}

/* Where to go on after a watch that did not end well. The line that cannot be read would come
 * again: only a list gets past it. And a server that was set back to an earlier time knows no
 * version that is later. */
static enum step after(const struct gw_k8s_watch *w, const struct gw_k8s_status *status)
{
        bool unreadable = status == &w->trouble && status->code == 0;
        bool again_and_again = status->code > 0 && status->verdict != GW_K8S_LATER &&
                               w->failures + 1 >= LIST_AFTER_FAILURES;
        return status->verdict == GW_K8S_EXPIRED || unreadable || again_and_again ? LIST_FIRST
                                                                                  : WATCH;
}

static void watch_ended_cleanly(struct gw_k8s_watch *w)
{
        static const struct gw_k8s_status no_word = {
                .verdict = GW_K8S_UNKNOWN, .message = "the server ended the watch without a word"};
        bool lived = gw_clock_mono_us() - w->began_us >= LIVED_US;
        if (lived)
                w->failures = 0;
        if (w->heard || lived)
                due(w, WATCH, lived ? 0 : EOF_AGAIN_US);
        else
                failed(w, WATCH, &no_word);
}

static void watch_ended(struct gw_k8s_watch *w)
{
        const struct gw_k8s_status *status =
                w->trouble.verdict != GW_K8S_OK ? &w->trouble : &w->call.status;
        gw_k8s_stream_done(&w->stream);
        if (status->verdict == GW_K8S_OK)
                watch_ended_cleanly(w);
        else
                failed(w, after(w, status), status);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void come_home(struct gw_k8s_call *call)
{
        struct gw_k8s_watch *w = call->owner;
        w->out = false;
        if (w->step == WATCH)
                watch_ended(w);
        else
                page_came(w);
        gw_k8s_call_done(call);
}

static int ask(struct gw_k8s_watch *w, struct gw_error *err)
{
        const struct gw_k8s_selection which = {w->labels, w->fields};
        if (w->step != WATCH)
                return gw_k8s_list(w->client, &w->call, w->kind, w->ns, &which, w->limit,
                                   w->step == LIST_NEXT ? w->mark : NULL, err);
        return gw_k8s_watch_call(w->client, &w->call, w->kind, w->ns, &which, w->version,
                                 w->timeout_s, w->silence_ms, err);
}

static void begin_watch(struct gw_k8s_watch *w)
{
        w->heard = false;
        w->began_us = gw_clock_mono_us();
        w->trouble = (struct gw_k8s_status){.verdict = GW_K8S_OK};
        gw_k8s_stream_init(&w->stream, GW_MAX_K8S_LINE_BYTES, take_event, w);
}

void gw_k8s_watch_serve(struct gw_k8s_watch *w)
{
        struct gw_error why = {0};
        if (w->out || w->stopping || gw_clock_mono_us() < w->at_us)
                return;
        if (w->step == WATCH)
                begin_watch(w);
        if (w->step == LIST_FIRST)
                w->asked_us = gw_clock_wall_us();
        w->out = ask(w, &why) == 0;
        if (w->out)
                return;
        if (w->step == WATCH)
                gw_k8s_stream_done(&w->stream);
        struct gw_k8s_status status = {.verdict = GW_K8S_NOT_SENT};
        gw_str_copy(status.message, sizeof status.message, why.message);
        failed(w, w->step, &status);
}

int64_t gw_k8s_watch_wake_at(const struct gw_k8s_watch *w)
{
        return w->out || w->stopping ? INT64_MAX : w->at_us;
}

int64_t gw_k8s_watch_heard_us(const struct gw_k8s_watch *w)
{
        return w->heard_us;
}

int64_t gw_k8s_watch_listed_us(const struct gw_k8s_watch *w)
{
        return w->listed_us;
}

void gw_k8s_watch_stop(struct gw_k8s_watch *w)
{
        if (w->stopping)
                return;
        w->stopping = true;
        if (w->out)
                gw_k8s_call_cancel(&w->call);
}

bool gw_k8s_watch_is_over(const struct gw_k8s_watch *w)
{
        return w->stopping && !w->out;
}

/* ---- making one ------------------------------------------------------------------------------ */

static int copy(char **to, const char *from)
{
        *to = from ? strdup(from) : NULL;
        return from && !*to ? -1 : 0;
}

struct gw_k8s_watch *gw_k8s_watch_new(struct gw_k8s_client *client,
                                      const struct gw_k8s_watched *watched,
                                      const struct gw_k8s_watch_ops *ops, void *arg,
                                      struct gw_error *err)
{
        struct gw_k8s_watch *w = calloc(1, sizeof *w);
        if (!w || copy(&w->ns, watched->ns) || copy(&w->labels, watched->which.labels) ||
            copy(&w->fields, watched->which.fields)) {
                gw_k8s_watch_free(w);
                gw_fail(err, GW_ERR_NOMEM, "no memory");
                return NULL;
        }
        w->client = client;
        w->kind = watched->kind;
        w->limit = watched->page ? watched->page : USUAL_PAGE;
        w->timeout_s = watched->timeout_s ? watched->timeout_s : USUAL_TIMEOUT_S;
        w->silence_ms = watched->silence_ms ? watched->silence_ms : USUAL_SILENCE_MS;
        w->ops = ops;
        w->arg = arg;
        w->call.done = come_home;
        w->call.piece = take_piece;
        w->call.owner = w;
        return w;
}

void gw_k8s_watch_free(struct gw_k8s_watch *w)
{
        if (!w)
                return;
        assert(!w->out);
        gw_k8s_call_done(&w->call);
        free(w->ns);
        free(w->labels);
        free(w->fields);
        free(w->mark);
        free(w);
}
