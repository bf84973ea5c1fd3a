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

/* The beginning of a leader's write: the rows `d`, and `f`, which is a row only while the lease's
 * epoch is that of `d`. */
#define GW_SQL_FENCE                                                                               \
        "WITH d AS MATERIALIZED (SELECT * FROM {input} input),"                                    \
        " f AS MATERIALIZED (SELECT 1 FROM leases WHERE name = (SELECT lease FROM d LIMIT 1)"      \
        "  AND epoch = (SELECT epoch FROM d LIMIT 1) FOR SHARE),"

/* The spec of sp, where its script may have lines for a submit command
 * (server/model/directives.h). */
#define GW_SQL_SCRIPT                                                                              \
        "CASE WHEN sp.spec->>'script' ~ '(^|\\n)#(SBATCH|SLURM|BSUB|PBS)' THEN sp.spec::text END"

/* Whom a submission of job u, in input d, is made for: fixed with its intent. */
#define GW_SQL_IDENTITY                                                                            \
        "(SELECT pb.identity FROM project_backends pb WHERE pb.project_id = u.project_id"          \
        " AND pb.backend = d.backend)"

/* What a submission that is there takes from its new row. */
#define GW_SQL_SUBMISSION_AGAIN                                                                    \
        "  ON CONFLICT (job_id, no) DO UPDATE SET state = excluded.state, epoch = excluded.epoch," \
        "   ordinals = excluded.ordinals,"                                                         \
        "   send_before = coalesce(excluded.send_before, submissions.send_before),"                \
        "   ref = coalesce(excluded.ref, submissions.ref), error = excluded.error,"                \
        "   changing = excluded.changing RETURNING job_id, no, identity"

/* One notification per statement, with the highest number of its events `e`. */
#define GW_SQL_NOTIFY                                                                              \
        " x AS MATERIALIZED (SELECT pg_notify('jobgate', max(n)::text) FROM e"                     \
        "  HAVING max(n) IS NOT NULL)"

/* "1,7" as an array of project ids. */
#define GW_SQL_PROJECTS(text) "string_to_array(" text ", ',')::bigint[]"

#define GW_SQL_LIVE "('queued', 'pending', 'running')"

/* Writes the attempts in the JSON of `d`, of the jobs that `u` wrote; an attempt that is there is
 * written over, but for what is not known any more. `ordinal`: an expression over the row `r`. */
#define GW_SQL_ATTEMPTS(ordinal_of)                                                                \
        "INSERT INTO attempts (job_id, ordinal, no, submission, restart, origin, state,"           \
        "   provisional_reason, reason, message, exit_code, signal, node, usage, started_at,"      \
        "   ended_at, log_due)"                                                                    \
        "  SELECT d.id, " ordinal_of ", r.no, r.submission, r.restart, r.origin, r.state,"         \
        "   r.provisional, r.reason, r.message, r.exit_code, r.signal, r.node, r.usage,"           \
        "   to_timestamp(r.started / 1e6), to_timestamp(r.ended / 1e6),"                           \
        "   CASE WHEN k.logs_kept AND r.started > 0 AND r.ended > 0 THEN now() END"                \
        "  FROM d JOIN u USING (id) LEFT JOIN backends k ON k.name = d.backend,"                   \
        "   jsonb_to_recordset(d.attempts) AS r (ordinal int, no int,"                             \
        "   submission int, restart int, origin text, state text, provisional text, reason text,"  \
        "   message text, exit_code smallint, signal smallint, node text, usage jsonb,"            \
        "   started float8, ended float8)"                                                         \
        "  ON CONFLICT (job_id, ordinal, no) DO UPDATE SET restart = excluded.restart,"            \
        "   state = excluded.state, provisional_reason = excluded.provisional_reason,"             \
        "   reason = excluded.reason, message = excluded.message, exit_code = excluded.exit_code," \
        "   signal = excluded.signal, node = coalesce(excluded.node, attempts.node),"              \
        "   usage = coalesce(excluded.usage, attempts.usage),"                                     \
        "   started_at = coalesce(excluded.started_at, attempts.started_at),"                      \
        "   ended_at = excluded.ended_at, log_due = excluded.log_due RETURNING 1"

#endif
