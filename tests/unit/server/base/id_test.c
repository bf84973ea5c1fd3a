#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "server/base/clock.h"
#include "server/base/id.h"

/* RFC 9562 appendix A.6: 2022-02-22T19:22:22.000Z */
#define VECTOR "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
#define VECTOR_US INT64_C(1645557742000000)

static void rfc_vector(void **state)
{
        (void)state;
        static const uint8_t bytes[16] = {0x01, 0x7F, 0x22, 0xE2, 0x79, 0xB0, 0x7C, 0xC3,
                                          0x98, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39, 0x8F};
        struct gw_id id;
        assert_int_equal(gw_id_parse(VECTOR, &id), 0);
        assert_memory_equal(id.bytes, bytes, 16);
        assert_int_equal(gw_id_time_us(id), VECTOR_US);
        char text[GW_ID_TEXT];
        gw_id_format(id, text);
        assert_string_equal(text, VECTOR);
}

static void new_has_time_version_variant(void **state)
{
        (void)state;
        struct gw_id id = gw_id_new(VECTOR_US + 500);
        assert_memory_equal(id.bytes, "\x01\x7F\x22\xE2\x79\xB0", 6);
        assert_int_equal(id.bytes[6], 0x78); /* half a millisecond: 2048 of 4096 */
        assert_int_equal(id.bytes[7], 0x00);
        assert_int_equal(id.bytes[8] >> 6, 2);
        assert_int_equal(gw_id_time_us(id), VECTOR_US);
        id = gw_id_new(VECTOR_US + 999);
        assert_int_equal(id.bytes[6] << 8 | id.bytes[7], 0x7000 | 999 * 4096 / 1000);
}

static void sorted_in_the_order_made(void **state)
{
        (void)state;
        int64_t us = VECTOR_US + GW_SECOND;
        struct gw_id last = gw_id_new(us);
        for (int i = 0; i < 20000; i++) {
                /* time stands still, goes on, and goes back */
                us += i % 7 == 0 ? 3 : i % 11 == 0 ? -50 : 0;
                struct gw_id id = gw_id_new(us);
                assert_true(gw_id_compare(&last, &id) < 0);
                assert_int_equal(id.bytes[6] >> 4, 7);
                assert_int_equal(id.bytes[8] >> 6, 2);
                last = id;
        }
        struct gw_id id = gw_id_new(-5);
        assert_true(gw_id_compare(&last, &id) < 0);
}

#define EACH 20000

static void *make_ids(void *arg)
{
        struct gw_id *ids = arg;
        for (int i = 0; i < EACH; i++)
                ids[i] = gw_id_new(VECTOR_US);
        return NULL;
}

static int by_value(const void *a, const void *b)
{
        return gw_id_compare(a, b);
}

/* Threads give ids for the same moments; the random bits tell them apart. */
static void threads_never_collide(void **state)
{
        (void)state;
        struct gw_id *ids = calloc(4 * EACH, sizeof *ids);
        assert_non_null(ids);
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * EACH), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        qsort(ids, 4 * EACH, sizeof *ids, by_value);
        for (int i = 1; i < 4 * EACH; i++)
                assert_false(gw_id_equal(ids[i - 1], ids[i]));
        free(ids);
}

static void parses_strictly(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "",
                "017f22e2",
                "017f22e279b07cc398c4dc0c0c07398f",
                "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
                "urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
                "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
                "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
                "017f22e2-79b0-7cc3-98c4-dc0c0c07398f ",
                " 017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
                "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                "017f22e2-79b0-7cc3-98c4-dc0c0c073g8f",
                "017f22e279b0--7cc3-98c4-dc0c0c07398f",
                "017f22e2_79b0_7cc3_98c4_dc0c0c07398f",
                "017f22e2-79b0-7cc3-98c4dc0c0c07398f-",
                "-17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        };
        struct gw_id id = {{42}};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                if (gw_id_parse(bad[i], &id) != -1)
                        fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(id.bytes[0], 42);

        assert_int_equal(gw_id_parse("017F22E2-79b0-7CC3-98C4-DC0C0C07398F", &id), 0);
        char text[GW_ID_TEXT];
        gw_id_format(id, text);
        assert_string_equal(text, VECTOR);
        assert_int_equal(gw_id_parse("919108f7-52d1-4320-9bac-f847db4148a8", &id), 0);
        assert_false(gw_id_is_nil(id));
        assert_int_equal(gw_id_parse("00000000-0000-0000-0000-000000000000", &id), 0);
        assert_true(gw_id_is_nil(id));
        assert_int_equal(gw_id_parse("ffffffff-ffff-ffff-ffff-ffffffffffff", &id), 0);
        assert_int_equal(id.bytes[15], 0xFF);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rfc_vector),
                cmocka_unit_test(new_has_time_version_variant),
                cmocka_unit_test(sorted_in_the_order_made),
                cmocka_unit_test(threads_never_collide),
                cmocka_unit_test(parses_strictly),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
