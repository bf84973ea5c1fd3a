-- What an array's submission was made for: a site may change it while the submission lives.

ALTER TABLE submissions
    ADD COLUMN most_tasks int;                 -- of one submission, as the backend said then; NULL: it said nothing
