/*
 * The cache: shards, each with a lock, a hash table and a ring in the order of insertion. Any
 * thread; a lock is held for a few pointer steps only.
 *
 * Eviction is "second chance": the oldest goes, unless it was found since it was last looked
 * at; then it becomes the youngest. Invariant: `bytes` of a shard is the sum of its entries'
 * cost and at most its part of max_bytes.
 */
#include "routes/job_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "server/base/cleanup.h"

#define SHARDS 16
#define BUCKETS 4096    /* of a shard */
#define ENTRY_BYTES 256 /* what an answer costs beside its content: entry, header, malloc */
#define MAX_PART 16     /* one answer may take this part of a shard */

struct entry {
        TAILQ_ENTRY(entry) ring;
        struct entry *next; /* in its bucket */
        struct gw_id id;
        struct gw_job_kept job;
        int64_t kept_us;
        struct gw_response *response;
        bool found;
};

struct shard {
        pthread_mutex_t lock;
        TAILQ_HEAD(, entry) ring; /* oldest first */
        size_t bytes;
        uint64_t removals;
        struct entry *buckets[BUCKETS];
};

struct gw_job_cache {
        size_t shard_bytes;
        struct shard shards[SHARDS];
};

/* The last bytes of an id are random. */
static struct shard *shard_of(struct gw_job_cache *c, const struct gw_id *id)
{
        return &c->shards[id->bytes[15] % SHARDS];
}

static struct entry **bucket_of(struct shard *s, const struct gw_id *id)
{
        return &s->buckets[((unsigned)id->bytes[13] << 8 | id->bytes[14]) % BUCKETS];
}

static size_t cost_of(const struct gw_response *r)
{
        return gw_response_size(r) + ENTRY_BYTES;
}

struct gw_job_cache *gw_job_cache_new(size_t max_bytes)
{
        struct gw_job_cache *c = calloc(1, sizeof *c);
        if (!c)
                return NULL;
        c->shard_bytes = max_bytes / SHARDS;
        for (size_t i = 0; i < SHARDS; i++) {
                pthread_mutex_init(&c->shards[i].lock, NULL);
                TAILQ_INIT(&c->shards[i].ring);
        }
        return c;
}

static struct entry **find(struct shard *s, const struct gw_id *id)
{
        struct entry **at = bucket_of(s, id);
        while (*at && !gw_id_equal((*at)->id, *id))
                at = &(*at)->next;
        return at;
}

static void drop(struct shard *s, struct entry **at)
{
        struct entry *e = *at;
        *at = e->next;
        TAILQ_REMOVE(&s->ring, e, ring);
        s->bytes -= cost_of(e->response);
        gw_response_unref(e->response);
        free(e);
}

void gw_job_cache_free(struct gw_job_cache *c)
{
        if (!c)
                return;
        for (size_t i = 0; i < SHARDS; i++) {
                struct shard *s = &c->shards[i];
                while (!TAILQ_EMPTY(&s->ring))
                        drop(s, find(s, &TAILQ_FIRST(&s->ring)->id));
                pthread_mutex_destroy(&s->lock);
        }
        free(c);
}

struct gw_response *gw_job_cache_find(struct gw_job_cache *c, struct gw_id id, int64_t now_us,
                                      struct gw_job_kept *ret)
{
        struct shard *s = shard_of(c, &id);
        struct gw_response *r = NULL;
        pthread_mutex_lock(&s->lock);
        struct entry **at = find(s, &id);
        if (*at && now_us - (*at)->kept_us > GW_JOB_CACHE_AGE_US) {
                drop(s, at);
        } else if (*at) {
                (*at)->found = true;
                *ret = (*at)->job;
                r = gw_response_ref((*at)->response);
        }
        pthread_mutex_unlock(&s->lock);
        return r;
}

uint64_t gw_job_cache_generation(struct gw_job_cache *c, struct gw_id id)
{
        struct shard *s = shard_of(c, &id);
        pthread_mutex_lock(&s->lock);
        uint64_t removals = s->removals;
        pthread_mutex_unlock(&s->lock);
        return removals;
}

static void make_room(struct gw_job_cache *c, struct shard *s, size_t cost)
{
        while (s->bytes + cost > c->shard_bytes) {
                struct entry *oldest = TAILQ_FIRST(&s->ring);
                if (oldest->found) {
                        oldest->found = false;
                        TAILQ_REMOVE(&s->ring, oldest, ring);
                        TAILQ_INSERT_TAIL(&s->ring, oldest, ring);
                } else {
                        drop(s, find(s, &oldest->id));
                }
        }
}

static void insert(struct shard *s, struct entry *e)
{
        struct entry **bucket = bucket_of(s, &e->id);
        e->next = *bucket;
        *bucket = e;
        TAILQ_INSERT_TAIL(&s->ring, e, ring);
        s->bytes += cost_of(e->response);
}

void gw_job_cache_put(struct gw_job_cache *c, struct gw_id id, uint64_t generation, int64_t now_us,
                      struct gw_job_kept job, struct gw_response *r)
{
        struct shard *s = shard_of(c, &id);
        size_t cost = cost_of(r);
        struct entry *e = cost <= c->shard_bytes / MAX_PART ? calloc(1, sizeof *e) : NULL;
        if (!e)
                return;
        e->id = id;
        e->job = job;
        e->kept_us = now_us;
        e->response = gw_response_ref(r);

        pthread_mutex_lock(&s->lock);
        struct entry **at = find(s, &id);
        if (s->removals == generation) {
                if (*at)
                        drop(s, at);
                make_room(c, s, cost);
                insert(s, GW_TAKE(e));
        }
        pthread_mutex_unlock(&s->lock);
        if (e)
                gw_response_unref(e->response);
        free(e);
}

void gw_job_cache_remove(struct gw_job_cache *c, struct gw_id id)
{
        struct shard *s = shard_of(c, &id);
        pthread_mutex_lock(&s->lock);
        struct entry **at = find(s, &id);
        s->removals++;
        if (*at)
                drop(s, at);
        pthread_mutex_unlock(&s->lock);
}
