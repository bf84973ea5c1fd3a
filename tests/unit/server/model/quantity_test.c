/* Quantities: what Kubernetes accepts, what it rounds, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/model/quantity.h"

typedef int parse_fn(const char *, int64_t *, struct gw_error *);

struct good {
        const char *text;
        int64_t value;
};

struct bad {
        const char *text;
        const char *words; /* in the message */
};

static void check_good(parse_fn *parse, const struct good *c, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct gw_error err = {0};
                int64_t v = -7;
                if (parse(c[i].text, &v, &err))
                        fail_msg("%s: %s", c[i].text, err.message);
                if (v != c[i].value)
                        fail_msg("%s: %lld, not %lld", c[i].text, (long long)v,
                                 (long long)c[i].value);
                assert_int_equal(err.code, GW_OK);
        }
}

static void check_bad(parse_fn *parse, const struct bad *c, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct gw_error err = {0};
                int64_t v = -7;
                if (parse(c[i].text, &v, &err) == 0)
                        fail_msg("%s was accepted as %lld", c[i].text, (long long)v);
                assert_int_equal(v, -7);
                assert_int_equal(err.code, GW_ERR_INVALID);
                if (!strstr(err.message, c[i].words))
                        fail_msg("%s: %s", c[i].text, err.message);
                assert_int_equal(parse(c[i].text, &v, NULL), -1);
        }
}

static void test_memory_good(void **state)
{
        (void)state;
        static const struct good cases[] = {
                {"0", 0},
                {"7", 7},
                {"007", 7},
                {"+7", 7},
                {"1.", 1},
                {".5", 1},
                {"0.0", 0},
                {"1k", 1000},
                {"1M", 1000000},
                {"1G", 1000000000},
                {"1T", INT64_C(1000000000000)},
                {"1P", INT64_C(1000000000000000)},
                {"1E", INT64_C(1000000000000000000)},
                {"1Ki", 1024},
                {"1Mi", 1 << 20},
                {"1Gi", 1 << 30},
                {"1Ti", INT64_C(1) << 40},
                {"1Pi", INT64_C(1) << 50},
                {"1Ei", INT64_C(1) << 60},
                {"7Ei", INT64_C(7) << 60},
                {"1.5Gi", INT64_C(3) << 29},
                {"0.5Ki", 512},
                {"1.5k", 1500},
                {"1e3", 1000},
                {"1E3", 1000},
                {"1.5e+3", 1500},
                {"1500e-3", 2},
                {"1e-3", 1},
                {"0e9", 0},
                {"0e999999999999999999999", 0},
                {"1e-99999999999999999999", 1},
                /* a fraction of the unit is rounded up, exactly */
                {"1.000000000000000001", 2},
                {"0.1Ki", 103},
                {"0.0009765625Ki", 1},
                {"0.00097656251Ki", 2},
                {"0.000000000000000000000000000000000001", 1},
                {"1.0000000000000000000000000000000000000000", 1},
                {"0.0012345678901234567891Ei", INT64_C(1423359869420437)},
                {"0.1Ei", INT64_C(115292150460684698)},
                /* the largest, and many digits that are none */
                {"9223372036854775807", INT64_MAX},
                {"9223372036854775.807k", INT64_MAX},
                {"9223372036854775806.1", INT64_MAX},
                {"9223372036.854775807G", INT64_MAX},
                {"00000000000000000000000000000000000001", 1},
                {"9007199254740991Ki", INT64_MAX - 1023},
                {"10000000000000000000000000000000e-30", 10},
        };
        check_good(gw_quantity_parse, cases, GW_COUNT(cases));
}

static void test_memory_bad(void **state)
{
        (void)state;
        static const struct bad cases[] = {
                {"", "no number"},
                {".", "no number"},
                {"+", "no number"},
                {"Gi", "no number"},
                {" 1", "no number"},
                {"e3", "no number"},
                {"-1", "negative"},
                {"-0", "negative"},
                {"16GB", "write Gi (powers of 1024) or G (powers of 1000)"},
                {"16gb", "write Gi"},
                {"16 Gi", "write Gi"},
                {"16GiB", "write Gi"},
                {"1K", "write Ki (powers of 1024) or k (powers of 1000)"},
                {"4g", "write Gi"},
                {"512m", "write Mi"},
                {"2kI", "write Ki"},
                {"1e", "write Ei"},
                {"1e3x", "write Ei"},
                {"1e+", "write Ei"},
                {"1e3Gi", "write Ei"},
                {"1e1.5", "write Ei"},
                {"1u", "is not an amount"},
                {"1.2.3", "is not an amount"},
                {"0x10", "is not an"},
                {"12 ", "is not an amount"},
                {"1,5G", "is not an amount"},
                {"1\n", "is not an"},
                {"\xc2\xbd", "no number"},
                {"nan", "no number"},
                {"inf", "no number"},
                {"9223372036854775808", "too much"},
                {"9223372036854775807.1", "too much"},
                {"8Ei", "too much"},
                {"1e19", "too much"},
                {"10E", "too much"},
                {"1e999999999999999999999", "too much"},
                {"99999999999999999999Ei", "too much"},
                {"9007199254740991.9990234375Ki", "20 significant digits"},
                {"123456789012345678901", "20 significant digits"},
                {"1.00000000000000000000000000001", "20 significant digits"},
                {"00000000000000000000000000000000000000000000000000000000000000001", "at most 64"},
        };
        check_bad(gw_quantity_parse, cases, GW_COUNT(cases));
}

static void test_cpus_good(void **state)
{
        (void)state;
        static const struct good cases[] = {
                {"2", 2000},
                {"0.5", 500},
                {"500m", 500},
                {"1", 1000},
                {"0", 0},
                {"0m", 0},
                {"1.5", 1500},
                {"0.0001", 1},
                {"0.5m", 1},
                {"2e1", 20000},
                {"1e-1", 100},
                {"+4", 4000},
                {"9223372036854775.807", INT64_MAX},
                {"9223372036854775807m", INT64_MAX},
        };
        check_good(gw_cpus_parse, cases, GW_COUNT(cases));
}

static void test_cpus_bad(void **state)
{
        (void)state;
        static const struct bad cases[] = {
                {"", "no number"},    {"m", "no number"}, {"-1", "negative"},
                {"4k", "500m"},       {"2 ", "500m"},     {"1M", "500m"},
                {"5mm", "500m"},      {"1e3m", "500m"},   {"1Gi", "500m"},
                {"two", "no number"}, {"1e", "500m"},     {"9223372036854775.808", "too many"},
                {"1e16", "too many"},
        };
        check_bad(gw_cpus_parse, cases, GW_COUNT(cases));
}

static void test_cpus_from_number(void **state)
{
        (void)state;
        static const struct {
                double cpus;
                int64_t milli;
        } cases[] = {{0, 0},          {-0.0, 0},   {2, 2000},         {0.1, 100},
                     {1.1, 1100},     {0.29, 290}, {4.35, 4350},      {0.0001, 1},
                     {0.5005, 501},   {1e-300, 1}, {1.0000001, 1001}, {64, 64000},
                     {0.1 + 0.2, 300}};
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                int64_t v = -1;
                assert_int_equal(gw_cpus_from_number(cases[i].cpus, &v, NULL), 0);
                assert_int_equal(v, cases[i].milli);
        }
        for (int m = 0; m <= 300000; m++) { /* every thousandth survives being a double */
                int64_t v = -1;
                assert_int_equal(gw_cpus_from_number(m / 1000.0, &v, NULL), 0);
                assert_int_equal(v, m);
        }
        static const double bad[] = {-1, -1e-9, NAN, INFINITY, 1e15, 1e300};
        for (size_t i = 0; i < GW_COUNT(bad); i++) {
                int64_t v = -1;
                assert_int_equal(gw_cpus_from_number(bad[i], &v, NULL), -1);
                assert_int_equal(v, -1);
        }
}

static void test_format(void **state)
{
        (void)state;
        static const struct good cases[] = {
                {"0", 0},
                {"7", 7},
                {"1k", 1000},
                {"1Ki", 1024},
                {"1M", 1000000},
                {"1000001", 1000001},
                {"1536Mi", INT64_C(3) << 29},
                {"32Gi", INT64_C(32) << 30},
                {"7Ei", INT64_C(7) << 60},
                {"9E", INT64_C(9000000000000000000)},
                {"125Mi", 131072000},
                {"977000Ki", 1000448000},
                {"10k", 10000},
                {"9223372036854775807", INT64_MAX},
                {"100", 100},
        };
        char text[GW_QUANTITY_TEXT];
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                gw_quantity_format(cases[i].value, text);
                assert_string_equal(text, cases[i].text);
        }
        static const struct good cpus[] = {
                {"0", 0},
                {"2", 2000},
                {"500m", 500},
                {"1500m", 1500},
                {"1m", 1},
                {"64", 64000},
                {"9223372036854775807m", INT64_MAX},
        };
        for (size_t i = 0; i < GW_COUNT(cpus); i++) {
                gw_cpus_format(cpus[i].value, text);
                assert_string_equal(text, cpus[i].text);
        }
}

/* Any value, near powers of both bases as well, survives being written and read. */
static void test_parse_undoes_format(void **state)
{
        (void)state;
        unsigned short seed[3] = {1, 2, 3};
        for (int i = 0; i < 200000; i++) {
                int64_t v =
                        (int64_t)(((uint64_t)nrand48(seed) << 32 ^ (uint64_t)nrand48(seed) << 8) &
                                  INT64_MAX) >>
                        (nrand48(seed) % 63);
                int shift = (int)(nrand48(seed) % 63);
                if (i % 2)
                        v = v >> shift << shift;
                char text[GW_QUANTITY_TEXT];
                int64_t back = -1;
                gw_quantity_format(v, text);
                assert_int_equal(gw_quantity_parse(text, &back, NULL), 0);
                assert_true(back == v);
                gw_cpus_format(v, text);
                assert_int_equal(gw_cpus_parse(text, &back, NULL), 0);
                assert_true(back == v);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_memory_good),         cmocka_unit_test(test_memory_bad),
                cmocka_unit_test(test_cpus_good),           cmocka_unit_test(test_cpus_bad),
                cmocka_unit_test(test_cpus_from_number),    cmocka_unit_test(test_format),
                cmocka_unit_test(test_parse_undoes_format),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
