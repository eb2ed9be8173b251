-- A sink's position ($1), which nobody moves until this transaction ends; and whether it was saved in this database.
SELECT
    sink.delivered,
    sink.floor_seq,
    sink.batch,
    sink.batch_floor_seq,
    sink.batch_ceiling_seq,
    sink.batch_last_seq,
    sink.batch_numbered,
    sink.last_seq,
    NOT forwarder.is_foreign(sink) AS is_ours
FROM forwarder.sink AS sink
WHERE sink.name = $1
FOR UPDATE OF sink
