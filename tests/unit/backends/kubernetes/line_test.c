/* Submissions wait their turn; nothing else does. What is run is counted here. */
#include "backends/kubernetes/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY (GW_K8S_AT_ONCE + 8)

static struct gw_k8s backend;
static uint32_t ran[2 * MANY];
static size_t ran_count;

/* In the place of requests.c's: what is handed over stays out. */
void gw_k8s_request_run(struct gw_k8s *b, struct gw_backend_ask *a)
{
        b->handed_over += gw_k8s_line_is_for(a);
        ran[ran_count++] = a->mark.number;
        gw_backend_ask_free(a);
}

static void ask(enum gw_ask kind, uint32_t number)
{
        struct gw_backend_ask *a = calloc(1, sizeof *a);
        assert_non_null(a);
        a->kind = kind;
        a->mark.number = number;
        gw_k8s_line_take(&backend, a);
}

static int begin(void **state)
{
        (void)state;
        backend.handed_over = ran_count = 0;
        gw_k8s_line_init(&backend);
        for (uint32_t i = 0; i < MANY; i++)
                ask(i % 2 ? GW_ASK_RESOLVE : GW_ASK_SUBMIT, i);
        return 0;
}

static void so_many_are_out_at_a_time(void **state)
{
        (void)state;
        assert_int_equal(ran_count, 0);
        gw_k8s_line_serve(&backend);
        gw_k8s_line_serve(&backend);
        assert_int_equal(ran_count, GW_K8S_AT_ONCE);
        backend.handed_over -= 3;
        gw_k8s_line_serve(&backend);
        assert_int_equal(ran_count, GW_K8S_AT_ONCE + 3);
        gw_k8s_line_clear(&backend);
}

static void they_go_in_their_order(void **state)
{
        (void)state;
        while (ran_count < MANY) {
                backend.handed_over = 0;
                gw_k8s_line_serve(&backend);
        }
        ask(GW_ASK_SUBMIT, MANY);
        backend.handed_over = 0;
        gw_k8s_line_serve(&backend);
        assert_int_equal(ran_count, MANY + 1);
        for (uint32_t i = 0; i <= MANY; i++)
                assert_int_equal(ran[i], i);
}

static void nothing_else_waits(void **state)
{
        (void)state;
        gw_k8s_line_serve(&backend);
        ask(GW_ASK_CANCEL, 1000);
        ask(GW_ASK_LOG, 1001);
        assert_int_equal(ran_count, GW_K8S_AT_ONCE + 2);
        assert_int_equal(ran[GW_K8S_AT_ONCE], 1000);
        assert_int_equal(ran[GW_K8S_AT_ONCE + 1], 1001);
        gw_k8s_line_clear(&backend);
}

static void what_is_cleared_is_not_run(void **state)
{
        (void)state;
        gw_k8s_line_clear(&backend);
        gw_k8s_line_serve(&backend);
        assert_int_equal(ran_count, 0);
        ask(GW_ASK_SUBMIT, 7);
        gw_k8s_line_serve(&backend);
        assert_int_equal(ran_count, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(so_many_are_out_at_a_time, begin),
                cmocka_unit_test_setup(they_go_in_their_order, begin),
                cmocka_unit_test_setup(nothing_else_waits, begin),
                cmocka_unit_test_setup(what_is_cleared_is_not_run, begin),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
