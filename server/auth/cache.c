/*
 * Principals by token hash, kept a few seconds. Any thread.
 *
 * A fixed table of short rows: a hash may stand in any place of its row, and a row that is
 * full gives up the entry that ends first. So it is bounded and needs no housekeeping. One
 * lock per group of rows. Comparing hashes in variable time tells nothing of a token: who
 * could use it would have to find SHA-256 preimages.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/auth/auth.h"
#include "server/base/clock.h"

#define PLACES 8
#define LOCKS 16

struct entry {
        uint8_t hash[32];
        int64_t until_us;               /* 0: free */
        struct gw_principal *principal; /* NULL: there is no such token */
};

struct row {
        struct entry places[PLACES];
};

struct gw_auth {
        int64_t ttl_us;
        size_t rows; /* a power of two */
        struct row *table;
        pthread_mutex_t locks[LOCKS];
        atomic_uint_fast64_t generation;
};

static size_t row_of(const struct gw_auth *a, const uint8_t hash[32])
{
        uint64_t key;
        memcpy(&key, hash, sizeof key);
        return (size_t)key & (a->rows - 1);
}

static void empty(struct entry *e)
{
        gw_principal_unref(e->principal);
        *e = (struct entry){0};
}

/* A clock that was set back makes nothing last longer. */
static bool lasts(const struct gw_auth *a, const struct entry *e, int64_t now_us)
{
        return e->until_us > now_us && e->until_us - now_us <= a->ttl_us;
}

static struct entry *find(struct row *row, const uint8_t hash[32])
{
        for (size_t i = 0; i < PLACES; i++)
                if (row->places[i].until_us && memcmp(row->places[i].hash, hash, 32) == 0)
                        return &row->places[i];
        return NULL;
}

struct gw_auth *gw_auth_new(unsigned ttl_ms, size_t max)
{
        struct gw_auth *a = calloc(1, sizeof *a);
        if (!a)
                return NULL;
        a->ttl_us = (int64_t)ttl_ms * 1000;
        a->rows = 1;
        while (a->rows * PLACES < max)
                a->rows *= 2;
        a->table = calloc(a->rows, sizeof *a->table);
        if (!a->table) {
                free(a);
                return NULL;
        }
        for (size_t i = 0; i < LOCKS; i++)
                pthread_mutex_init(&a->locks[i], NULL);
        return a;
}

void gw_auth_free(struct gw_auth *a)
{
        if (!a)
                return;
        gw_auth_forget(a);
        for (size_t i = 0; i < LOCKS; i++)
                pthread_mutex_destroy(&a->locks[i]);
        free(a->table);
        free(a);
}

enum gw_auth_found gw_auth_find(struct gw_auth *a, const uint8_t hash[32], int64_t now_us,
                                struct gw_principal **ret)
{
        enum gw_auth_found found = GW_AUTH_MISS;
        size_t row = row_of(a, hash);
        pthread_mutex_lock(&a->locks[row % LOCKS]);
        struct entry *e = find(&a->table[row], hash);
        if (e && lasts(a, e, now_us)) {
                found = e->principal ? GW_AUTH_KNOWN : GW_AUTH_REFUSED;
                if (e->principal)
                        *ret = gw_principal_ref(e->principal);
        }
        pthread_mutex_unlock(&a->locks[row % LOCKS]);
        return found;
}

uint64_t gw_auth_generation(const struct gw_auth *a)
{
        return atomic_load(&a->generation);
}

static struct entry *place_for(struct row *row, const uint8_t hash[32])
{
        struct entry *place = find(row, hash);
        if (place)
                return place;
        place = &row->places[0];
        for (size_t i = 1; i < PLACES; i++)
                if (row->places[i].until_us < place->until_us)
                        place = &row->places[i];
        return place;
}

/* A token that ends sooner is kept no longer. */
static int64_t keep_until(const struct gw_auth *a, int64_t now_us, const struct gw_principal *p)
{
        int64_t until = now_us + a->ttl_us;
        return p && p->expires_us && p->expires_us < until ? p->expires_us : until;
}

void gw_auth_store(struct gw_auth *a, const uint8_t hash[32], uint64_t generation, int64_t now_us,
                   struct gw_principal *p)
{
        size_t row = row_of(a, hash);
        pthread_mutex_lock(&a->locks[row % LOCKS]);
        if (atomic_load(&a->generation) == generation) {
                struct entry *e = place_for(&a->table[row], hash);
                empty(e);
                memcpy(e->hash, hash, sizeof e->hash);
                e->until_us = keep_until(a, now_us, p);
                e->principal = p ? gw_principal_ref(p) : NULL;
        }
        pthread_mutex_unlock(&a->locks[row % LOCKS]);
}

void gw_auth_forget(struct gw_auth *a)
{
        atomic_fetch_add(&a->generation, 1);
        for (size_t i = 0; i < a->rows; i++) {
                pthread_mutex_lock(&a->locks[i % LOCKS]);
                for (size_t k = 0; k < PLACES; k++) /* untouched memory stays so */
                        if (a->table[i].places[k].until_us)
                                empty(&a->table[i].places[k]);
                pthread_mutex_unlock(&a->locks[i % LOCKS]);
        }
}
