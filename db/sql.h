/* Pieces of statements that several commands share. Inside db/ only. */
#ifndef GW_DB_SQL_H
#define GW_DB_SQL_H

/* The lock under which event numbers are taken, after every row lock of the statement: `counts`
 * is an expression over all of its changing parts, so that they are done first. What is not used
 * is not computed, so the condition uses it: without, the lock came first, and everybody who
 * waited for it held rows that its holder still wanted. */
#define GW_SQL_LOCK(counts)                                                                        \
        " l AS MATERIALIZED (SELECT pg_advisory_xact_lock(7201) FROM (SELECT " counts " AS n) c"   \
        "  WHERE c.n >= 0),"

/* One notification per statement, with the highest number of its events `e`. */
#define GW_SQL_NOTIFY                                                                              \
        " x AS MATERIALIZED (SELECT pg_notify('jobgate', max(n)::text) FROM e"                     \
        "  HAVING max(n) IS NOT NULL)"

/* "1,7" as an array of project ids. */
#define GW_SQL_PROJECTS(text) "string_to_array(" text ", ',')::bigint[]"

#define GW_SQL_LIVE "('queued', 'pending', 'running')"

#endif
