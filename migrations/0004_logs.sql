-- Output that the gateway keeps itself, where the backend's own files are not its to keep.

-- Set by the leader's write that ends the attempt, cleared when its output was kept, or there was
-- none for long enough: what is left to do survives any crash.
ALTER TABLE attempts
    ADD COLUMN log_due timestamptz;            -- when to look for it; NULL: no more
CREATE INDEX attempts_log_due ON attempts (log_due) WHERE log_due IS NOT NULL;

-- Whose ends are marked so. Written by each gateway as it starts.
ALTER TABLE backends
    ADD COLUMN logs_kept boolean NOT NULL DEFAULT false;

CREATE TABLE kept_logs (
    job_id  uuid NOT NULL,
    ordinal int NOT NULL,
    attempt int NOT NULL,
    stream  text NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    size    bigint NOT NULL,                   -- of the whole output
    head    bytea NOT NULL,
    tail    bytea NOT NULL,                    -- '' : the head is all
    kept_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, ordinal, attempt, stream)
) PARTITION BY RANGE (job_id);
CREATE TABLE kept_logs_default PARTITION OF kept_logs DEFAULT;

CREATE OR REPLACE FUNCTION gw_job_tables() RETURNS text[] LANGUAGE sql IMMUTABLE AS
$$ SELECT ARRAY['jobs', 'job_specs', 'tasks', 'submissions', 'attempts', 'kept_logs'] $$;

-- The months that there are already.
DO $$
DECLARE
    month text;
    lo    timestamptz;
BEGIN
    FOR month IN SELECT right(c.relname, 6) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = 'jobs'::regclass AND c.relname ~ '^jobs_[0-9]{6}$' LOOP
        lo := to_date(month, 'YYYYMM') AT TIME ZONE 'UTC';
        EXECUTE format('CREATE TABLE %I PARTITION OF kept_logs FOR VALUES FROM (%L) TO (%L)', 'kept_logs_' || month,
            gw_id_at(lo), gw_id_at((lo AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
    END LOOP;
END $$;

-- As before, with kept_logs.
-- Drops the months that ended before `keep_from` and hold no live job, and the event
-- partitions that are full and whose last event is older; of what lies in the default
-- partitions, deletes a few. Returns how many were dropped.
CREATE OR REPLACE FUNCTION gw_drop_partitions(keep_from timestamptz) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    few     constant int := 10000;
    dropped int := 0;
    part    text;
    month   text;
    name    text;
    top     bigint;
    busy    boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(7202);
    FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'jobs'::regclass AND c.relname ~ '^jobs_[0-9]{6}$' LOOP
        month := right(part, 6);
        CONTINUE WHEN (to_date(month, 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC' > keep_from;
        CONTINUE WHEN gw_holds_live(part);
        -- Nobody may add one to it between the look and the end. The parents first, as others do.
        LOCK TABLE ONLY jobs, ONLY job_specs, ONLY tasks, ONLY submissions, ONLY attempts, ONLY kept_logs
            IN ACCESS EXCLUSIVE MODE;
        CONTINUE WHEN gw_holds_live(part);
        FOREACH name IN ARRAY gw_job_tables() LOOP
            EXECUTE format('DROP TABLE %I', name || '_' || month);
            dropped := dropped + 1;
        END LOOP;
    END LOOP;
    SELECT last_value INTO top FROM events_n;
    FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]+$' LOOP
        CONTINUE WHEN substr(part, 8)::bigint >= top / gw_events_per_partition();
        EXECUTE format('SELECT coalesce((SELECT at > $1 FROM %I ORDER BY n DESC LIMIT 1), false)', part)
            INTO busy USING keep_from;
        CONTINUE WHEN busy;
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    WITH j AS (DELETE FROM jobs_default WHERE id IN (SELECT id FROM jobs_default
             WHERE id < gw_id_at(keep_from) AND state NOT IN ('queued', 'pending', 'running')
             ORDER BY id LIMIT few FOR UPDATE) RETURNING id),
         s AS (DELETE FROM job_specs_default x USING j WHERE x.job_id = j.id),
         t AS (DELETE FROM tasks_default x USING j WHERE x.job_id = j.id),
         u AS (DELETE FROM submissions_default x USING j WHERE x.job_id = j.id),
         k AS (DELETE FROM kept_logs_default x USING j WHERE x.job_id = j.id)
    DELETE FROM attempts_default x USING j WHERE x.job_id = j.id;
    DELETE FROM events_default WHERE n IN (SELECT n FROM events_default WHERE at < keep_from ORDER BY n LIMIT few);
    RETURN dropped;
END $$;
