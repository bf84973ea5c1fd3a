-- The record: people, jobs, hand-overs, attempts, events.
--
-- Job-keyed tables are partitioned by month on the UUIDv7 job id, so that primary keys stay
-- global and retention drops whole partitions. Names of states and reasons are those of
-- server/model/state.h; times are UTC.

-- ---- people ---------------------------------------------------------------------------

CREATE TABLE users (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer      text NOT NULL DEFAULT '',      -- '' : made on this gateway; else an OpenID issuer
    subject     text NOT NULL,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    UNIQUE (issuer, subject)
);

CREATE TABLE projects (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    default_backend text,
    weight          int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    limits          jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    disabled_at     timestamptz
);

CREATE TABLE project_backends (
    project_id bigint NOT NULL REFERENCES projects,
    backend    text NOT NULL,
    identity   jsonb NOT NULL,                 -- unix user and account, or namespace and service account
    PRIMARY KEY (project_id, backend)
);

CREATE TABLE memberships (
    project_id bigint NOT NULL REFERENCES projects,
    user_id    bigint NOT NULL REFERENCES users,
    role       text NOT NULL CHECK (role IN ('viewer', 'submitter', 'manager')),
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256 of the token
    name         text NOT NULL,
    user_id      bigint NOT NULL REFERENCES users,
    project_id   bigint REFERENCES projects,   -- bound to one project, or NULL
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_on date
);
CREATE INDEX tokens_user ON tokens (user_id);

-- Every replica keeps principals for a few seconds; a change drops them at once.
CREATE FUNCTION gw_auth_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('jobgate_auth', '');
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER UPDATE OF disabled_at, name ON users
    FOR EACH STATEMENT EXECUTE FUNCTION gw_auth_changed();
CREATE TRIGGER changed AFTER UPDATE OF disabled_at, default_backend, limits, name ON projects
    FOR EACH STATEMENT EXECUTE FUNCTION gw_auth_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON memberships
    FOR EACH STATEMENT EXECUTE FUNCTION gw_auth_changed();
CREATE TRIGGER changed AFTER UPDATE OF revoked_at, expires_at, scopes, project_id OR DELETE ON tokens
    FOR EACH STATEMENT EXECUTE FUNCTION gw_auth_changed();

-- ---- clusters -------------------------------------------------------------------------

CREATE TABLE backends (
    name        text PRIMARY KEY,
    type        text NOT NULL,
    offer       jsonb,
    reachable   boolean NOT NULL DEFAULT false,
    observed_at timestamptz,
    cursor      text
);

-- Who leads what. A leader holds the advisory lock of the name on its connection and has
-- raised the epoch; each of its writes locks this row FOR SHARE and checks the epoch.
CREATE TABLE leases (
    name       text PRIMARY KEY,
    epoch      bigint NOT NULL DEFAULT 0,
    holder     text,
    renewed_at timestamptz
);

-- ---- jobs -----------------------------------------------------------------------------

-- Hot and narrow: everything that lists, hands over or follows jobs reads. The time of
-- submission is the id's. `claimable`: nothing keeps it from being handed over; `wished`: a
-- route recorded a wish (cancel, hold, release) that the leader has not looked at yet.
CREATE TABLE jobs (
    id                  uuid NOT NULL PRIMARY KEY,
    project_id          bigint NOT NULL,
    user_id             bigint NOT NULL,
    backend             text NOT NULL,
    name                text NOT NULL,
    labels              jsonb,
    version             int NOT NULL DEFAULT 1,
    state               text NOT NULL DEFAULT 'queued',
    reason              text,
    message             text,
    exit_code           smallint,
    signal              smallint,
    task_count          int NOT NULL DEFAULT 1,
    counts              int[],                 -- per state, in the order of state.h; NULL for a plain job
    cpus                int NOT NULL,          -- thousandths
    memory              bigint NOT NULL,       -- bytes
    gpus                int NOT NULL,
    priority            int NOT NULL DEFAULT 0,
    blocked_by          int NOT NULL DEFAULT 0,
    held                boolean NOT NULL DEFAULT false,
    claimable           boolean NOT NULL,
    wished              boolean NOT NULL DEFAULT false,
    not_before          timestamptz,
    cancel_requested_at timestamptz,
    cancel_requested_by bigint,
    stop                text,                  -- the leader is ending it, for this reason
    retry_of            uuid,
    submission          int NOT NULL DEFAULT 0,  -- the highest number used
    attempt             int NOT NULL DEFAULT 0,  -- the highest number used
    started_at          timestamptz,
    ended_at            timestamptz
) PARTITION BY RANGE (id);
-- Read backwards, by comparing whole rows (db/job_filter.c).
CREATE INDEX jobs_project ON jobs (project_id, id);
CREATE INDEX jobs_project_state ON jobs (project_id, state, id);
CREATE INDEX jobs_claimable ON jobs (backend, project_id, priority DESC, id) WHERE claimable;
CREATE INDEX jobs_wished ON jobs (backend, id) WHERE wished;

-- Cold and immutable: the spec as resolved, in the client's order.
CREATE TABLE job_specs (
    job_id      uuid NOT NULL PRIMARY KEY,
    spec        json NOT NULL,
    source_kind text,                          -- NULL: jobgate's own JSON
    source      text,
    index_set   text
) PARTITION BY RANGE (job_id);

-- Runs of equal ordinals of an array job; no row until something differs.
CREATE TABLE tasks (
    job_id     uuid NOT NULL,
    lo         int NOT NULL,
    hi         int NOT NULL,
    state      text NOT NULL,
    reason     text,
    submission int NOT NULL DEFAULT 0,
    attempt    int NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, lo)
) PARTITION BY RANGE (job_id);

-- The intent, written before the call; (job_id, no) is the mark the scheduler keeps.
CREATE TABLE submissions (
    job_id        uuid NOT NULL,
    no            int NOT NULL,
    backend       text NOT NULL,
    epoch         bigint NOT NULL,
    ordinals      text,                        -- NULL: a plain job
    attempt       int NOT NULL,
    state         text NOT NULL CHECK (state IN ('intended', 'unknown', 'accepted', 'refused', 'closed')),
    send_before   timestamptz,
    resolve_after timestamptz,
    ref           text,
    incarnation   text,
    identity      jsonb,
    overrides     jsonb,
    rendered      text,
    error         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, no)
) PARTITION BY RANGE (job_id);
CREATE INDEX submissions_open ON submissions (backend, job_id, no) WHERE state NOT IN ('refused', 'closed');

CREATE TABLE attempts (
    job_id             uuid NOT NULL,
    ordinal            int NOT NULL,
    no                 int NOT NULL,
    submission         int NOT NULL,
    restart            int NOT NULL DEFAULT 0, -- runs the scheduler began by itself
    origin             text NOT NULL DEFAULT 'jobgate' CHECK (origin IN ('jobgate', 'scheduler')),
    state              text NOT NULL,
    provisional_reason text,
    reason             text,
    message            text,
    exit_code          smallint,
    signal             smallint,
    node               text,
    usage              jsonb,
    started_at         timestamptz,
    ended_at           timestamptz,
    PRIMARY KEY (job_id, ordinal, no)
) PARTITION BY RANGE (job_id);

-- ---- events ---------------------------------------------------------------------------

-- Numbers are in commit order: taken from the sequence under the transaction-level advisory
-- lock 7201, which is the last lock a transaction takes.
CREATE SEQUENCE events_n CACHE 1;
CREATE TABLE events (
    n          bigint NOT NULL PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    project_id bigint NOT NULL,
    job_id     uuid NOT NULL,
    kind       text NOT NULL,
    state      text,
    reason     text,
    ordinals   text,                           -- an index set, for an array's batch
    attempt    int,
    actor      bigint,                         -- a user, or NULL for the gateway itself
    request_id text,
    data       jsonb
) PARTITION BY RANGE (n);
CREATE INDEX events_job ON events (job_id, n);
CREATE INDEX events_project ON events (project_id, n);

-- ---- keys and timers ------------------------------------------------------------------

CREATE TABLE idempotency (
    project_id     bigint NOT NULL,
    user_id        bigint NOT NULL,
    key            text NOT NULL,
    request_sha256 bytea NOT NULL,
    job_id         uuid NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (project_id, user_id, key)
);
-- Keys expire in the order in which they come: a summary per range of blocks finds them.
CREATE INDEX idempotency_expiry ON idempotency USING brin (expires_at);

CREATE TABLE timers (
    job_id  uuid NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('not_before', 'retry_delay', 'start_deadline', 'deadline')),
    ordinal int NOT NULL DEFAULT -1,           -- -1: the whole job
    backend text NOT NULL,
    due_at  timestamptz NOT NULL,
    attempt int,
    PRIMARY KEY (job_id, kind, ordinal)
);
CREATE INDEX timers_due ON timers (backend, due_at);

-- ---- partitions -----------------------------------------------------------------------

-- The first id of a moment.
CREATE FUNCTION gw_id_at(t timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(greatest(0, floor(extract(epoch FROM t) * 1000))::bigint), 12, '0')
            || '00000000000000000000')::uuid
$$;

CREATE FUNCTION gw_job_tables() RETURNS text[] LANGUAGE sql IMMUTABLE AS
$$ SELECT ARRAY['jobs', 'job_specs', 'tasks', 'submissions', 'attempts'] $$;

CREATE FUNCTION gw_events_per_partition() RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT 10000000::bigint $$;

-- Makes the partitions of the month that holds t, and of the one after; and the event
-- partitions up to 2 × 10⁷ numbers ahead. Runs as the owner; may be repeated. A month, or a
-- block of numbers, of which rows already lie in the default partition (the clock jumped, or
-- nobody made partitions for long) stays there.
CREATE FUNCTION gw_make_partitions(t timestamptz) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    step  constant bigint := gw_events_per_partition();
    made  int := 0;
    lo    timestamptz;
    name  text;
    month text;
    block bigint;
    top   bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7202);
    FOR i IN 0..1 LOOP
        lo := (date_trunc('month', t AT TIME ZONE 'UTC') + make_interval(months => i)) AT TIME ZONE 'UTC';
        month := to_char(lo AT TIME ZONE 'UTC', '_YYYYMM');
        CONTINUE WHEN to_regclass('jobs' || month) IS NOT NULL;
        BEGIN
            FOREACH name IN ARRAY gw_job_tables() LOOP
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name || month, name,
                    gw_id_at(lo),
                    gw_id_at((lo AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'));
            END LOOP;
            EXECUTE format('ALTER TABLE %I SET (fillfactor = 80)', 'jobs' || month);
            made := made + cardinality(gw_job_tables());
        EXCEPTION WHEN check_violation THEN
            NULL; -- all tables or none: what belongs together goes together
        END;
    END LOOP;
    SELECT last_value INTO top FROM events_n;
    FOR i IN 0..2 LOOP
        block := top / step + i;
        CONTINUE WHEN to_regclass('events_' || block) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%s) TO (%s)', 'events_' || block,
                block * step, (block + 1) * step);
            made := made + 1;
        EXCEPTION WHEN check_violation THEN
            NULL;
        END;
    END LOOP;
    RETURN made;
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY gw_job_tables() || ARRAY['events'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', name || '_default', name);
    END LOOP;
    PERFORM gw_make_partitions(now());
END $$;

-- Whether a partition of jobs holds one that lives: by the index, for it may be large.
CREATE FUNCTION gw_holds_live(part text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    found boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM projects p, unnest(ARRAY[''queued'', ''pending'', ''running'']) s (state),'
        ' LATERAL (SELECT FROM %I j WHERE j.project_id = p.id AND j.state = s.state LIMIT 1) j)', part) INTO found;
    RETURN found;
END $$;

-- Drops the months that ended before `keep_from` and hold no live job, and the event
-- partitions that are full and whose last event is older; of what lies in the default
-- partitions, deletes a few. Returns how many were dropped.
CREATE FUNCTION gw_drop_partitions(keep_from timestamptz) RETURNS int
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
        LOCK TABLE ONLY jobs, ONLY job_specs, ONLY tasks, ONLY submissions, ONLY attempts IN ACCESS EXCLUSIVE MODE;
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
         u AS (DELETE FROM submissions_default x USING j WHERE x.job_id = j.id)
    DELETE FROM attempts_default x USING j WHERE x.job_id = j.id;
    DELETE FROM events_default WHERE n IN (SELECT n FROM events_default WHERE at < keep_from ORDER BY n LIMIT few);
    RETURN dropped;
END $$;

-- ---- the serving role -----------------------------------------------------------------

-- What the gateway may do: rows, no schema. Called after every migration; may be repeated.
CREATE FUNCTION gw_grant(role text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', role);
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM %I', role);
    EXECUTE format('REVOKE UPDATE, DELETE ON events FROM %I', role);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION gw_make_partitions(timestamptz), gw_drop_partitions(timestamptz) TO %I', role);
END $$;
REVOKE EXECUTE ON FUNCTION gw_make_partitions(timestamptz), gw_drop_partitions(timestamptz), gw_holds_live(text),
    gw_grant(text) FROM PUBLIC;
