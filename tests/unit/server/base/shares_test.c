/* Shares of users: counted apart, by many threads, and gone when nobody refers to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

#include "server/base/cleanup.h"
#include "server/base/shares.h"

static bool is_empty(const struct gw_shares *s)
{
        for (size_t i = 0; i < GW_COUNT(s->buckets); i++)
                if (s->buckets[i])
                        return false;
        return true;
}

static void users_are_counted_apart(void **state)
{
        (void)state;
        /* The last two share a bucket with the first. */
        static const int64_t users[] = {1, 2, 1 + GW_SHARES_BUCKETS, 1 - GW_SHARES_BUCKETS};
        struct gw_share *shares[GW_COUNT(users)];
        struct gw_shares s;
        gw_shares_init(&s);
        for (size_t i = 0; i < GW_COUNT(users); i++) {
                shares[i] = gw_share_ref(&s, users[i]);
                assert_int_equal(gw_share_add(shares[i], i + 1), i + 1);
        }
        for (size_t i = 0; i < GW_COUNT(users); i++) {
                struct gw_share *again = gw_share_ref(&s, users[i]);
                assert_ptr_equal(again, shares[i]);
                assert_int_equal(gw_share_add(again, 10), i + 11);
                assert_int_equal(gw_share_add(again, (size_t)-10), i + 1);
                gw_share_unref(again);
                assert_int_equal(gw_share_add(shares[i], -(i + 1)), 0);
                gw_share_unref(shares[i]);
        }
        assert_true(is_empty(&s));
        gw_shares_done(&s);
}

#define THREADS 8
#define ROUNDS 20000

static void *come_and_go(void *arg)
{
        struct gw_shares *s = arg;
        for (int64_t i = 0; i < ROUNDS; i++) {
                struct gw_share *share = gw_share_ref(s, i % 3);
                assert_true(gw_share_add(share, 1) <= THREADS);
                gw_share_add(share, (size_t)-1);
                gw_share_unref(share);
        }
        return NULL;
}

static void many_threads_leave_nothing(void **state)
{
        (void)state;
        struct gw_shares s;
        pthread_t threads[THREADS];
        gw_shares_init(&s);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &s), 0);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        assert_true(is_empty(&s));
        gw_shares_done(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(users_are_counted_apart),
                cmocka_unit_test(many_threads_leave_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
