-- What an array's submission was made for: a site may change it while the submission lives.
ALTER TABLE submissions
    ADD COLUMN most_tasks int;                 -- of one submission, as the backend said then; NULL: it said nothing

-- Tasks of which somebody knows that an attempt has ended with its node; the leader deletes what it has read. Not among
-- task_wishes, where the release before would take them for cancels; numbered with those, for they are read in one order.
CREATE TABLE dead_wishes (
    job_id     uuid NOT NULL,
    no         bigint NOT NULL DEFAULT nextval('task_wishes_no_seq'),
    indices    text NOT NULL,                  -- an index set
    attempt    int NOT NULL,
    by_user    bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, no)
);
