/* db/sqlstate.c: what each class of error means for a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/sqlstate.h"
#include "server/base/cleanup.h"

static void each_code(void **state)
{
        (void)state;
        static const struct {
                const char *sqlstate;
                enum gw_db_verdict verdict;
        } rows[] = {
                {"22P05", GW_DB_VALUE},     /* \u0000 cannot be converted to text */
                {"22021", GW_DB_VALUE},     /* not in repertoire */
                {"54000", GW_DB_VALUE},     /* index row too long */
                {"23505", GW_DB_STATEMENT}, /* unique violation */
                {"42P01", GW_DB_STATEMENT}, /* undefined table */
                {"P0001", GW_DB_STATEMENT}, /* raise exception */
                {"XX000", GW_DB_STATEMENT}, /* internal error */
                {"40001", GW_DB_REPEAT},    /* serialization failure */
                {"40P01", GW_DB_REPEAT},    /* deadlock */
                {"40002", GW_DB_STATEMENT}, /* constraint at the commit */
                {"55P03", GW_DB_REPEAT},    /* lock not available */
                {"53100", GW_DB_AWAY},      /* disk full */
                {"57014", GW_DB_AWAY},      /* statement time-out */
                {"58030", GW_DB_AWAY},      /* I/O error */
                {"57P01", GW_DB_LOST},      /* admin shutdown */
                {"57P02", GW_DB_LOST},      /* crash shutdown */
                {"57P03", GW_DB_LOST},      /* starting up */
                {"25006", GW_DB_LOST},      /* read-only transaction: a standby */
                {"08006", GW_DB_LOST},      /* connection failure */
                {"", GW_DB_LOST},           {NULL, GW_DB_LOST},
        };
        for (size_t i = 0; i < GW_COUNT(rows); i++)
                assert_int_equal(gw_db_verdict(rows[i].sqlstate), rows[i].verdict);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(each_code)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
