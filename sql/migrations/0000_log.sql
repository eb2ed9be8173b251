-- The record of the migrations that were applied; this one is its first row. Whoever may not create schemas can be given one
-- that is empty.
DO $$
BEGIN
    IF to_regnamespace('forwarder') IS NULL THEN
        CREATE SCHEMA forwarder;
    END IF;
END
$$;

CREATE TABLE forwarder.migration (
    version    integer     NOT NULL,
    name       text        NOT NULL,
    -- SHA-256 of the file, in hex: a file that was edited after it was applied is found out.
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT migration_pkey PRIMARY KEY (version)
);
