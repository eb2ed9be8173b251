-- Stores a position, if it is still the epoch $12, and returns a floor for snapshots taken after this has been committed. It is the
-- first statement of its transaction that writes anything: read_floor refuses any other. It is called before the update has begun.
WITH floor AS MATERIALIZED (
    SELECT forwarder.read_floor() AS seq
)
UPDATE forwarder.sink AS sink
SET
    delivered = $2,
    floor_seq = $3,
    batch = $4,
    batch_floor_seq = $5,
    batch_ceiling_seq = $6,
    batch_last_seq = $7,
    batch_by_seq = $8,
    batch_numbered = $9,
    last_seq = $10,
    system_identifier = coalesce($11, sink.system_identifier),
    database_oid = CASE
        WHEN $11::bigint IS NULL THEN sink.database_oid
        ELSE (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    END,
    saved_txid = pg_current_xact_id(),
    updated_at = now()
FROM floor
WHERE sink.name = $1 AND sink.epoch = $12
RETURNING floor.seq
