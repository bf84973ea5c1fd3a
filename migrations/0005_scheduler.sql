-- What the backend's scheduler has made of a submission, as it says itself.

ALTER TABLE submissions
    ADD COLUMN about jsonb; -- a job's `scheduler` in the contract; NULL: it said nothing
