/* The cache of answers: found until it is removed, old, or pushed out. */
#include "routes/job_cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHARDS 16 /* by an id's last byte */

/* Number n of one shard. */
static struct gw_id id_of(unsigned n)
{
        struct gw_id id = {{0}};
        id.bytes[0] = (uint8_t)(n >> 16);
        id.bytes[13] = (uint8_t)(n >> 8);
        id.bytes[14] = (uint8_t)n;
        return id;
}

static const struct gw_job_kept job = {.project = 42, .version = 7, .state = GW_FAILED};

static void put(struct gw_job_cache *c, struct gw_id id, size_t len, int64_t now_us)
{
        char *content = malloc(len);
        assert_non_null(content);
        memset(content, 'x', len);
        struct gw_response *r = gw_response_new("application/json", "\"1\"", content, len);
        assert_non_null(r);
        gw_job_cache_put(c, id, gw_job_cache_generation(c, id), now_us, job, r);
        gw_response_unref(r);
}

static bool has(struct gw_job_cache *c, struct gw_id id, int64_t now_us)
{
        struct gw_job_kept found = {0};
        struct gw_response *r = gw_job_cache_find(c, id, now_us, &found);
        if (r)
                assert_true(found.project == 42 && found.version == 7 && found.state == GW_FAILED);
        gw_response_unref(r);
        return r != NULL;
}

static void test_what_is_put_is_found(void **state)
{
        (void)state;
        struct gw_job_cache *c = gw_job_cache_new(GW_JOB_CACHE_BYTES);
        assert_false(has(c, id_of(1), 0));
        put(c, id_of(1), 100, 0);
        assert_true(has(c, id_of(1), 0));
        assert_false(has(c, id_of(2), 0));
        put(c, id_of(1), 200, 0); /* in its place */
        struct gw_job_kept found;
        struct gw_response *r = gw_job_cache_find(c, id_of(1), 0, &found);
        assert_int_equal(gw_response_size(r), 200);
        gw_job_cache_free(c); /* a reference outlives it */
        assert_int_equal(gw_response_size(r), 200);
        gw_response_unref(r);
}

static void test_a_removed_job_is_gone_and_does_not_come_back(void **state)
{
        (void)state;
        struct gw_job_cache *c = gw_job_cache_new(GW_JOB_CACHE_BYTES);
        struct gw_response *r = gw_response_new("application/json", NULL, strdup("{}"), 2);
        put(c, id_of(1), 100, 0);
        uint64_t before = gw_job_cache_generation(c, id_of(1));
        gw_job_cache_remove(c, id_of(1));
        assert_false(has(c, id_of(1), 0));
        gw_job_cache_put(c, id_of(1), before, 0, job, r); /* was read before the removal */
        assert_false(has(c, id_of(1), 0));
        put(c, id_of(1), 100, 0);
        assert_true(has(c, id_of(1), 0));
        gw_response_unref(r);
        gw_job_cache_free(c);
}

static void test_an_old_answer_is_asked_for_anew(void **state)
{
        (void)state;
        struct gw_job_cache *c = gw_job_cache_new(GW_JOB_CACHE_BYTES);
        put(c, id_of(1), 100, 1000);
        assert_true(has(c, id_of(1), 1000 + GW_JOB_CACHE_AGE_US));
        assert_false(has(c, id_of(1), 1001 + GW_JOB_CACHE_AGE_US));
        assert_false(has(c, id_of(1), 1000));
        gw_job_cache_free(c);
}

static void test_it_is_bounded_and_forgets_what_nobody_asks_for(void **state)
{
        (void)state;
        size_t each = 1000, room = 100;
        struct gw_job_cache *c = gw_job_cache_new(SHARDS * room * each);
        size_t kept = 0;
        for (unsigned n = 0; n < 1000; n++) {
                put(c, id_of(n), each, 0);
                assert_true(has(c, id_of(0), 0)); /* always asked for: stays */
        }
        for (unsigned n = 0; n < 1000; n++)
                kept += has(c, id_of(n), 0);
        assert_in_range(kept, room / 2, room);
        assert_true(has(c, id_of(999), 0));
        gw_job_cache_free(c);
}

static void test_one_answer_does_not_push_out_all(void **state)
{
        (void)state;
        struct gw_job_cache *c = gw_job_cache_new(SHARDS * 100000);
        put(c, id_of(1), 100, 0);
        put(c, id_of(2), 90000, 0);
        assert_true(has(c, id_of(1), 0));
        assert_false(has(c, id_of(2), 0));
        gw_job_cache_free(c);
}

static void *churn(void *arg)
{
        struct gw_job_cache *c = arg;
        for (unsigned n = 0; n < 20000; n++) {
                struct gw_id id = id_of(n % 300);
                if (n % 7 == 0)
                        gw_job_cache_remove(c, id);
                else if (!has(c, id, 0))
                        put(c, id, 500, 0);
        }
        return NULL;
}

/* For the sanitizers. */
static void test_many_threads(void **state)
{
        (void)state;
        struct gw_job_cache *c = gw_job_cache_new(SHARDS * 100 * 1000);
        pthread_t threads[4];
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, churn, c), 0);
        for (size_t i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        gw_job_cache_free(c);
        gw_job_cache_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_put_is_found),
                cmocka_unit_test(test_a_removed_job_is_gone_and_does_not_come_back),
                cmocka_unit_test(test_an_old_answer_is_asked_for_anew),
                cmocka_unit_test(test_it_is_bounded_and_forgets_what_nobody_asks_for),
                cmocka_unit_test(test_one_answer_does_not_push_out_all),
                cmocka_unit_test(test_many_threads),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
