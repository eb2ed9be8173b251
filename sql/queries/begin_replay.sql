-- Begins a replay of some tables, in place of one that was not done: from now on it is fixed what is to be sent again, which is what the
-- sink's position says is delivered. Whoever leads the sink begins again from that position, so what is delivered and not yet saved comes
-- again by itself.
--   $1 the sink, $2 what was asked for, $3 the ids of the tables, $4 the seq to begin with, $5 a seq that none exceeds that is delivered
WITH sink AS (
    UPDATE forwarder.sink SET epoch = epoch + 1, saved_txid = pg_current_xact_id() WHERE name = $1 RETURNING *
)
INSERT INTO forwarder.replay (
    sink, asked_for, table_ids, first_seq, first_at, next_seq, last_seq,
    delivered, floor_seq, batch, batch_floor_seq, batch_last_seq, system_identifier, database_oid
)
SELECT
    sink.name, $2, $3, $4, first.at, $4, $5,
    sink.delivered, sink.floor_seq, sink.batch, sink.batch_floor_seq, sink.batch_last_seq, control.system_identifier, here.oid
FROM sink
JOIN forwarder.outbox AS first ON first.seq = $4
CROSS JOIN pg_catalog.pg_control_system() AS control
JOIN pg_catalog.pg_database AS here ON here.datname = current_database()
ON CONFLICT (sink) DO UPDATE SET
    asked_for = excluded.asked_for,
    table_ids = excluded.table_ids,
    first_seq = excluded.first_seq,
    first_at = excluded.first_at,
    next_seq = excluded.next_seq,
    last_seq = excluded.last_seq,
    changes = 0,
    is_short = false,
    begun_at = excluded.begun_at,
    delivered = excluded.delivered,
    floor_seq = excluded.floor_seq,
    batch = excluded.batch,
    batch_floor_seq = excluded.batch_floor_seq,
    batch_last_seq = excluded.batch_last_seq,
    system_identifier = excluded.system_identifier,
    database_oid = excluded.database_oid
