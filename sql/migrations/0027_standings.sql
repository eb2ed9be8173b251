-- What a position says of what is delivered, where the release before has written it, or another sink of its name.

-- As in 0015_copies.sql. But the release before gives a sink that it sets back the floor up to which it is not sent again, beside a snapshot that
-- sees nothing. That passes over transactions that were running then.
CREATE OR REPLACE FUNCTION forwarder.standings() RETURNS TABLE (
    sink            text,
    is_foreign      boolean,
    delivered       pg_snapshot,
    floor_seq       bigint,
    batch           pg_snapshot,
    batch_floor_seq bigint,
    batch_last_seq  bigint
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        sink.name,
        told.is_foreign,
        CASE WHEN told.is_foreign THEN '1:1:' ELSE sink.delivered END,
        CASE
            WHEN told.is_foreign THEN sink.last_seq
            WHEN pg_snapshot_xmax(sink.delivered) = '1' THEN 0
            ELSE sink.floor_seq
        END,
        CASE WHEN NOT told.is_foreign THEN sink.batch END,
        CASE WHEN NOT told.is_foreign THEN sink.batch_floor_seq END,
        CASE WHEN NOT told.is_foreign THEN sink.batch_last_seq END
    FROM forwarder.sink AS sink, LATERAL (SELECT forwarder.is_foreign(sink) AS is_foreign) AS told
$$;

-- When the sink was made that has delivered this. Null where the release before has written the row first: then it is not used.
ALTER TABLE forwarder.ahead ADD COLUMN sink_created_at timestamptz;
