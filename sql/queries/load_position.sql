-- A sink's position, and whether it belongs to another history than this cluster's: its transaction ids mean nothing then.
SELECT
    sink.delivered,
    sink.floor_seq,
    sink.batch,
    sink.batch_floor_seq,
    sink.batch_ceiling_seq,
    sink.batch_last_seq,
    sink.batch_by_seq,
    sink.last_seq,
    sink.system_identifier <> control.system_identifier
        OR pg_snapshot_xmax(coalesce(sink.batch, sink.delivered)) > pg_snapshot_xmax(pg_current_snapshot())
        AS foreign_history
FROM forwarder.sink AS sink, pg_catalog.pg_control_system() AS control
WHERE sink.name = $1
