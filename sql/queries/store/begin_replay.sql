-- Begins a replay of some tables, where the sink has none. The sink's position is copied: what it says is delivered is to be sent again. The sink
-- gets a new epoch, so whoever leads it begins again from that position: what it had delivered beyond it is sent again without the replay.
--   $1 the sink, $2 what was asked for, $3 the ids of the tables, $4 the seq to begin with and $5 its time, $6 a seq that no delivered change
--   exceeds
WITH sink AS (
    UPDATE forwarder.sink SET epoch = epoch + 1, saved_txid = pg_current_xact_id() WHERE name = $1 RETURNING *
)
INSERT INTO forwarder.replay (
    sink, asked_for, table_ids, first_seq, first_at, next_seq, last_seq, begun_at,
    delivered, floor_seq, batch, batch_floor_seq, batch_last_seq, system_identifier, database_oid
)
SELECT
    sink.name, $2, $3, $4, $5::text::timestamptz, $4, $6,
    -- Not before the sink was created, even if that was on another server with a clock that is ahead.
    greatest(clock_timestamp(), sink.created_at),
    sink.delivered,
    -- As forwarder.standings() has it.
    CASE WHEN pg_snapshot_xmax(sink.delivered) = '1' THEN 0 ELSE sink.floor_seq END,
    sink.batch, sink.batch_floor_seq, sink.batch_last_seq, control.system_identifier, here.oid
FROM sink
CROSS JOIN pg_catalog.pg_control_system() AS control
JOIN pg_catalog.pg_database AS here ON here.datname = current_database()
