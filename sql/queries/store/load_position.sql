-- A sink's position, whether it belongs to another history than this database's (its transaction ids mean nothing then), the epoch that
-- begins with this: whoever led before cannot save any more; and what the leader before has delivered beyond the position, which is from
-- now on this leader's to keep. There is none of that if another history has begun, the position was set back since, or it was another sink
-- of this name.
--   $1 the sink, $2 the stamp of the history
WITH loaded AS MATERIALIZED (
    SELECT name, forwarder.is_foreign(sink) AS foreign_history FROM forwarder.sink AS sink WHERE name = $1
),
-- First, as in a save: of two that lock the rows of a sink in two orders each would wait for the other.
taken AS (
    UPDATE forwarder.sink AS sink
    SET
        epoch = sink.epoch + 1,
        -- The release before did not know it.
        database_oid = coalesce(sink.database_oid, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())),
        saved_txid = pg_current_xact_id()
    FROM loaded
    WHERE sink.name = loaded.name
    RETURNING sink.*, loaded.foreign_history
),
taken_over AS (
    UPDATE forwarder.ahead
    SET epoch = taken.epoch
    FROM taken
    WHERE ahead.sink = taken.name
      AND ahead.epoch = taken.epoch - 1
      AND ahead.history_stamp = $2
      AND ahead.sink_created_at = taken.created_at
    RETURNING ahead.content
)
SELECT
    delivered,
    floor_seq,
    batch,
    batch_floor_seq,
    batch_ceiling_seq,
    batch_last_seq,
    batch_numbered,
    last_seq,
    epoch,
    foreign_history,
    (SELECT content FROM taken_over) AS ahead
FROM taken
