-- The usual queue in a table, fed by the same updates as the outbox: a trigger writes what changed, a consumer takes the oldest
-- rows by the index on id, and deletes them.
CREATE SCHEMA classic;
CREATE TABLE classic.outbox (
    id     bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    before text        NOT NULL,
    after  text        NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (id)
);

CREATE FUNCTION classic.capture() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO classic.outbox (before, after) VALUES (row_to_json(OLD), row_to_json(NEW));
    RETURN NULL;
END
$$;

CREATE TRIGGER classic_capture AFTER UPDATE ON captured.item FOR EACH ROW EXECUTE FUNCTION classic.capture();
