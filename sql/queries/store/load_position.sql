-- Loads a sink's position and begins another epoch: whoever led before cannot save any more. Returns
--   * the position, and the new epoch;
--   * `foreign_history`: whether the position was saved in another cluster or database, so that its transaction ids mean nothing here;
--   * `ahead`: what the leader before has delivered beyond the position. Null if it has kept nothing, if another history was entered or the position
--     was set back since, or if it was an earlier sink of this name.
-- Parameters: $1 the sink, $2 the stamp of the history
WITH loaded AS MATERIALIZED (
    SELECT name, forwarder.is_foreign(sink) AS foreign_history FROM forwarder.sink AS sink WHERE name = $1
),
-- The row of forwarder.sink is locked before that of forwarder.ahead, as in a save: in the other order two sessions could wait for each other.
taken AS (
    UPDATE forwarder.sink AS sink
    SET
        epoch = sink.epoch + 1,
        -- Null where an earlier release has saved the position.
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
