-- Arrays: all that a run of tasks is recorded with, and wishes about some tasks of a job.

ALTER TABLE tasks
    ADD COLUMN tries      int NOT NULL DEFAULT 0,  -- hand-overs so far: what the retry budget counts
    ADD COLUMN stop       text,                    -- the leader is ending them, for this reason
    ADD COLUMN not_before timestamptz;             -- not handed over before

-- An event of an array names the indices it is about, as clients know them.
ALTER TABLE events RENAME COLUMN ordinals TO indices;

-- Tasks that somebody asked to cancel, as an index set; the leader deletes what it has read.
CREATE TABLE task_wishes (
    job_id     uuid NOT NULL,
    no         bigint GENERATED ALWAYS AS IDENTITY,
    indices    text NOT NULL,
    by_user    bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, no)
);
