-- What sinks have delivered beyond their positions. Without it a crash repeats more, and nothing else.

-- One row for each sink, of up to some 1,500 bytes, written a few times a second while there is something to say.
CREATE TABLE forwarder.ahead (
    sink          text    NOT NULL,
    -- The epoch of the position that it goes with, and the history.
    epoch         bigint  NOT NULL,
    history_stamp text    NOT NULL,
    -- See forwarder/outbox/delivered_ahead.py.
    content       bytea   NOT NULL,
    CONSTRAINT ahead_pkey PRIMARY KEY (sink)
) WITH (fillfactor = 20);
-- It is compressed.
ALTER TABLE forwarder.ahead ALTER COLUMN content SET STORAGE EXTERNAL;

-- Empties the table once dead rows take so many pages, as they do where a transaction of somebody's holds vacuum back; not while it is in use.
CREATE FUNCTION forwarder.trim_ahead(max_pages integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
BEGIN
    IF pg_relation_size('forwarder.ahead') <= max_pages * current_setting('block_size')::bigint THEN
        RETURN false;
    END IF;
    TRUNCATE TABLE forwarder.ahead;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;
REVOKE ALL ON FUNCTION forwarder.trim_ahead(integer) FROM PUBLIC;
