/*
 * SQLSTATE to verdict, as one table: the first row whose prefix fits decides. Pure. The
 * codes are those of PostgreSQL's documentation, appendix A.
 */
#include "db/sqlstate.h"

#include <stddef.h>
#include <string.h>

#include "server/base/cleanup.h"

static const struct verdict_row {
        const char *prefix;
        enum gw_db_verdict verdict;
} verdicts[] = {
        {"22", GW_DB_VALUE},        /* data exception: \u0000 in jsonb, a number out of range */
        {"54", GW_DB_VALUE},        /* program limit exceeded: a key too long for an index */
        {"40002", GW_DB_STATEMENT}, /* a constraint, found at the commit */
        {"40", GW_DB_REPEAT},       /* serialization failure, deadlock */
        {"55P03", GW_DB_REPEAT},    /* lock not available */
        {"08", GW_DB_LOST},         /* connection exception */
        {"25006", GW_DB_LOST},      /* read only: the server became a standby */
        {"25P03", GW_DB_LOST},      /* idle in transaction time-out */
        {"57014", GW_DB_AWAY},      /* query cancelled, statement time-out */
        {"57", GW_DB_LOST},         /* operator intervention: shutdown, crash, starting up */
        {"53", GW_DB_AWAY},         /* insufficient resources: disk full, out of memory */
        {"58", GW_DB_AWAY},         /* system error outside PostgreSQL: an I/O error */
};

enum gw_db_verdict gw_db_verdict(const char *sqlstate)
{
        if (!sqlstate || !*sqlstate)
                return GW_DB_LOST;
        for (size_t i = 0; i < GW_COUNT(verdicts); i++) {
                if (strncmp(sqlstate, verdicts[i].prefix, strlen(verdicts[i].prefix)) == 0)
                        return verdicts[i].verdict;
        }
        return GW_DB_STATEMENT;
}
