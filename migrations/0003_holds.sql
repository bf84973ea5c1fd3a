-- What the next leader must know of a hold or release at the backend.

ALTER TABLE submissions
    ADD COLUMN changing boolean NOT NULL DEFAULT false; -- a wish to hold or release is being told
