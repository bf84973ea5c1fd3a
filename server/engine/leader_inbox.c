/*
 * What the backend says, copied into messages for the leader's thread. Runs on the backend's
 * thread. Facts and syncs are refused when the inbox is full; an answer has its room, and if
 * memory is short for it, the leader steps down and reads the record anew: what was in flight
 * is then resolved, never guessed.
 *
 * What the record could not keep is put right here: one fact that cannot be written would stop
 * every job of the backend.
 */
#include "server/engine/leader_state.h"

#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"

#define USAGE_MAX 4096
#define ABOUT_MAX (32 * 1024)
#define SIGNAL_MAX 127
#define TIME_MAX_US (INT64_C(4102444800) * GW_SECOND) /* the year 2100 */

/* Copies a text behind the message; what is not UTF-8 loses its high bytes, for the record keeps
 * text. */
static char *pack_text(char **free_space, const char *text)
{
        if (!text)
                return NULL;
        char *copy = *free_space;
        size_t len = strlen(text);
        memcpy(copy, text, len + 1);
        if (!gw_str_utf8(copy, len))
                for (char *p = copy; *p; p++)
                        if ((unsigned char)*p >= 0x80)
                                *p = '?';
        *free_space += len + 1;
        return copy;
}

static size_t text_size(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

static struct message *message_new(enum message_kind kind, uint64_t epoch, size_t extra)
{
        struct message *m = calloc(1, sizeof *m + extra);
        if (m) {
                m->kind = kind;
                m->epoch = epoch;
        }
        return m;
}

void gw_message_free(struct message *m)
{
        free(m);
}

/* ---- facts the record can keep ---- */

static const char *usable_json(const char *text, size_t most)
{
        if (!text || strlen(text) > most)
                return NULL;
        json_auto_t *value = json_loads(text, 0, NULL);
        return value ? text : NULL;
}

static int64_t usable_time(int64_t us)
{
        return us > 0 && us < TIME_MAX_US ? us : 0;
}

static struct gw_fact usable(const struct gw_fact *f)
{
        struct gw_fact r = *f;
        r.exit_code = f->exit_code < 0 ? -1 : f->exit_code > 255 ? 255 : f->exit_code;
        r.signal = f->signal > 0 && f->signal <= SIGNAL_MAX ? f->signal : 0;
        r.pending_us = usable_time(f->pending_us);
        r.started_us = usable_time(f->started_us);
        r.ended_us = usable_time(f->ended_us);
        r.usage = usable_json(f->usage, USAGE_MAX);
        r.about = usable_json(f->about, ABOUT_MAX);
        return r;
}

/* ---- the host's functions ---- */

static void count_pending(struct gw_leader *l, int64_t by)
{
        gw_metric_add(l->settings.metrics.pending, l->settings.metrics.index, 0, by);
}

static int post(struct gw_leader *l, struct message *m)
{
        count_pending(l, 1);
        if (m && gw_mailbox_post(&l->inbox, &m->work) == 0)
                return 0;
        count_pending(l, -1);
        gw_message_free(m);
        atomic_store(&l->refused, true);
        return -1;
}

static int on_facts(void *self, uint64_t epoch, const struct gw_fact *facts, size_t count)
{
        size_t size = count * sizeof *facts;
        for (size_t i = 0; i < count; i++)
                size += text_size(facts[i].ref) + text_size(facts[i].node) +
                        text_size(facts[i].raw) + text_size(facts[i].usage) +
                        text_size(facts[i].about);
        struct message *m = message_new(MESSAGE_FACTS, epoch, size);
        if (m) {
                m->facts = (struct gw_fact *)(void *)(m + 1);
                m->fact_count = count;
                char *space = (char *)(m->facts + count);
                for (size_t i = 0; i < count; i++) {
                        struct gw_fact f = usable(&facts[i]);
                        f.ref = pack_text(&space, f.ref);
                        f.node = pack_text(&space, f.node);
                        f.raw = pack_text(&space, f.raw);
                        f.usage = pack_text(&space, f.usage);
                        f.about = pack_text(&space, f.about);
                        m->facts[i] = f;
                }
        }
        return post(self, m);
}

static int on_synced(void *self, uint64_t epoch, uint64_t seen, int64_t asked_at,
                     const char *cursor)
{
        (void)cursor; /* no backend that is compiled in has one */
        struct message *m = message_new(MESSAGE_SYNCED, epoch, 0);
        if (m) {
                m->seen = seen;
                m->asked_at_us = asked_at;
        }
        return post(self, m);
}

static void on_answer(void *self, uint64_t epoch, enum gw_request request, struct gw_mark mark,
                      enum gw_answer answer, const char *ref, const char *raw, int64_t retry_at)
{
        struct gw_leader *l = self;
        struct message *m = message_new(MESSAGE_ANSWER, epoch, text_size(ref) + text_size(raw));
        if (!m) {
                atomic_store(&l->lost_answer, true);
                gw_mailbox_wake(&l->inbox);
                return;
        }
        char *space = (char *)(m + 1);
        m->request = request;
        m->mark = mark;
        m->answer = answer;
        m->ref = pack_text(&space, ref);
        m->raw = pack_text(&space, raw);
        m->retry_at_us = retry_at;
        m->work.home = &l->inbox;
        count_pending(l, 1);
        gw_work_finish(&m->work);
}

static void on_describe(void *self, const char *offer, bool reachable)
{
        struct gw_leader *l = self;
        char *copy = offer ? strdup(offer) : NULL;
        pthread_mutex_lock(&l->offer_lock);
        if (copy) { /* else the last may not have been recorded yet */
                free(l->offer);
                l->offer = copy;
        }
        l->reachable = reachable;
        l->offer_new = true;
        pthread_mutex_unlock(&l->offer_lock);
        gw_mailbox_wake(&l->inbox);
}

struct gw_backend_host gw_leader_inbox_host(struct gw_leader *l)
{
        return (struct gw_backend_host){
                .self = l,
                .facts = on_facts,
                .synced = on_synced,
                .answer = on_answer,
                .describe = on_describe,
        };
}
