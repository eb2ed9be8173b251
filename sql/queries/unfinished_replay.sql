-- A sink's replay of some tables that is not done. One that was begun in another database, of which this is a copy, or for a sink of
-- this name that was removed since, is none.
--   $1 the sink
SELECT
    replay.asked_for, replay.table_ids, replay.first_seq, replay.first_at::text AS first_at, replay.next_seq, replay.last_seq,
    replay.changes, replay.is_short, replay.begun_at
FROM forwarder.replay AS replay
JOIN forwarder.sink AS sink ON sink.name = replay.sink AND sink.created_at <= replay.begun_at
JOIN pg_catalog.pg_control_system() AS control ON control.system_identifier = replay.system_identifier
JOIN pg_catalog.pg_database AS here ON here.oid = replay.database_oid AND here.datname = current_database()
WHERE replay.sink = $1
