-- Wishes about some tasks of a job are of two kinds: that they end, and that somebody knows an
-- attempt of theirs to have ended with its node.

ALTER TABLE task_wishes
    ADD COLUMN attempt int; -- null: to cancel; else this attempt of theirs is dead
