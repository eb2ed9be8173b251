-- A sink's position, whether it belongs to another history than this database's (its transaction ids mean nothing then), and the
-- epoch that begins with this: whoever led before cannot save any more.
WITH loaded AS MATERIALIZED (
    SELECT name, forwarder.is_foreign(sink) AS foreign_history FROM forwarder.sink AS sink WHERE name = $1
)
UPDATE forwarder.sink AS sink
SET
    epoch = sink.epoch + 1,
    -- The release before did not know it.
    database_oid = coalesce(sink.database_oid, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())),
    saved_txid = pg_current_xact_id()
FROM loaded
WHERE sink.name = loaded.name
RETURNING
    sink.delivered,
    sink.floor_seq,
    sink.batch,
    sink.batch_floor_seq,
    sink.batch_ceiling_seq,
    sink.batch_last_seq,
    sink.batch_numbered,
    sink.last_seq,
    sink.epoch,
    loaded.foreign_history
