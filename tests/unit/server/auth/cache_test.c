/* The cache of principals: what it keeps, how long, how much, and what makes it forget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "server/auth/auth.h"

#define NOW INT64_C(1000000000)
#define TTL_MS 10

static struct gw_principal *person(int64_t id, int64_t expires_us)
{
        struct gw_principal *p = gw_principal_new(id, id, "ada", 0, expires_us, NULL, 0);
        assert_non_null(p);
        return p;
}

/* row: where it goes; number: which of that row. */
static void make_hash(uint8_t hash[32], uint64_t row, uint8_t number)
{
        memset(hash, 0, 32);
        memcpy(hash, &row, sizeof row);
        hash[31] = number;
}

/* Stores a person and drops our own reference. */
static void keep(struct gw_auth *a, const uint8_t hash[32], int64_t now_us, int64_t id,
                 int64_t expires_us)
{
        struct gw_principal *p = person(id, expires_us);
        gw_auth_store(a, hash, gw_auth_generation(a), now_us, p);
        gw_principal_unref(p);
}

/* The id of who was found, 0 for a miss, -1 for a refusal. */
static int64_t find(struct gw_auth *a, const uint8_t hash[32], int64_t now_us)
{
        struct gw_principal *p = NULL;
        switch (gw_auth_find(a, hash, now_us, &p)) {
        case GW_AUTH_MISS:
                return 0;
        case GW_AUTH_REFUSED:
                return -1;
        case GW_AUTH_KNOWN:
                break;
        }
        int64_t id = p->user_id;
        gw_principal_unref(p);
        return id;
}

static void test_kept_for_its_time(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 64);
        uint8_t hash[32], other[32];
        make_hash(hash, 1, 0);
        make_hash(other, 1, 1);
        assert_int_equal(find(a, hash, NOW), 0);
        keep(a, hash, NOW, 5, 0);
        assert_int_equal(find(a, hash, NOW), 5);
        assert_int_equal(find(a, hash, NOW + TTL_MS * 1000 - 1), 5);
        assert_int_equal(find(a, hash, NOW + TTL_MS * 1000), 0);
        assert_int_equal(find(a, other, NOW), 0);
        keep(a, hash, NOW, 6, 0);
        assert_int_equal(find(a, hash, NOW), 6);
        gw_auth_free(a);
}

static void test_a_clock_that_was_set_back(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 8);
        uint8_t hash[32];
        make_hash(hash, 0, 1);
        keep(a, hash, NOW, 7, 0);
        assert_int_equal(find(a, hash, NOW - 1), 0);
        keep(a, hash, NOW - 1000, 7, 0);
        assert_int_equal(find(a, hash, NOW - 1000), 7);
        gw_auth_free(a);
}

static void test_a_refusal_is_known_too(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 64);
        uint8_t hash[32];
        make_hash(hash, 1, 0);
        gw_auth_store(a, hash, gw_auth_generation(a), NOW, NULL);
        assert_int_equal(find(a, hash, NOW), -1);
        assert_int_equal(find(a, hash, NOW + TTL_MS * 1000), 0);
        gw_auth_free(a);
}

static void test_not_beyond_the_tokens_own_end(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 64);
        uint8_t hash[32];
        make_hash(hash, 1, 0);
        keep(a, hash, NOW, 5, NOW + 100);
        assert_int_equal(find(a, hash, NOW + 99), 5);
        assert_int_equal(find(a, hash, NOW + 100), 0);
        gw_auth_free(a);
}

static void test_forgetting(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 64);
        uint8_t hash[32];
        make_hash(hash, 1, 0);
        keep(a, hash, NOW, 5, 0);
        uint64_t before = gw_auth_generation(a);
        gw_auth_forget(a);
        assert_int_equal(find(a, hash, NOW), 0);
        /* What was looked up before people changed is not kept. */
        struct gw_principal *p = person(6, 0);
        gw_auth_store(a, hash, before, NOW, p);
        gw_principal_unref(p);
        assert_int_equal(find(a, hash, NOW), 0);
        keep(a, hash, NOW, 7, 0);
        assert_int_equal(find(a, hash, NOW), 7);
        gw_auth_free(a);
}

static void test_a_full_row_gives_up_what_ends_first(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 64); /* 8 rows of 8 */
        uint8_t hash[32];
        for (uint8_t i = 0; i < 8; i++) {
                make_hash(hash, 3, i);
                keep(a, hash, NOW + (i == 5 ? -1 : i), i + 1, 0);
        }
        make_hash(hash, 3, 8);
        keep(a, hash, NOW + 9, 9, 0);
        for (uint8_t i = 0; i < 9; i++) {
                make_hash(hash, 3, i);
                assert_int_equal(find(a, hash, NOW + 9), i == 5 ? 0 : i + 1);
        }
        make_hash(hash, 4, 0);
        keep(a, hash, NOW, 10, 0);
        assert_int_equal(find(a, hash, NOW), 10);
        gw_auth_free(a);
}

static void test_what_was_found_outlives_the_cache(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 1);
        struct gw_principal *p = NULL;
        uint8_t hash[32];
        make_hash(hash, 1, 0);
        keep(a, hash, NOW, 5, 0);
        assert_int_equal(gw_auth_find(a, hash, NOW, &p), GW_AUTH_KNOWN);
        gw_auth_free(a);
        assert_true(p->user_id == 5);
        gw_principal_unref(p);
        gw_auth_free(NULL);
}

static void *use_it(void *arg)
{
        struct gw_auth *a = arg;
        uint8_t hash[32];
        for (unsigned i = 0; i < 20000; i++) {
                make_hash(hash, i % 7, (uint8_t)(i % 11));
                int64_t id = find(a, hash, NOW);
                if (id != 0 && id != (int64_t)(1000 + i % 77))
                        return arg;
                keep(a, hash, NOW, 1000 + i % 77, 0);
                if (i % 1000 == 0)
                        gw_auth_forget(a);
        }
        return NULL;
}

static void test_by_many_threads(void **state)
{
        (void)state;
        struct gw_auth *a = gw_auth_new(TTL_MS, 64);
        pthread_t threads[4];
        void *wrong;
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, use_it, a), 0);
        for (int i = 0; i < 4; i++) {
                pthread_join(threads[i], &wrong);
                assert_null(wrong);
        }
        gw_auth_free(a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kept_for_its_time),
                cmocka_unit_test(test_a_clock_that_was_set_back),
                cmocka_unit_test(test_a_refusal_is_known_too),
                cmocka_unit_test(test_not_beyond_the_tokens_own_end),
                cmocka_unit_test(test_forgetting),
                cmocka_unit_test(test_a_full_row_gives_up_what_ends_first),
                cmocka_unit_test(test_what_was_found_outlives_the_cache),
                cmocka_unit_test(test_by_many_threads),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
