-- A sink's position, whether it belongs to another history than this cluster's (its transaction ids mean nothing then), and the
-- epoch that begins with this: whoever led before cannot save any more.
UPDATE forwarder.sink AS sink
SET epoch = sink.epoch + 1
FROM pg_catalog.pg_control_system() AS control
WHERE sink.name = $1
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
    sink.system_identifier <> control.system_identifier
        OR pg_snapshot_xmax(coalesce(sink.batch, sink.delivered)) > pg_snapshot_xmax(pg_current_snapshot())
        AS foreign_history
