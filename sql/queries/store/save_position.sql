-- Stores a position, if it is still the epoch $11, and returns a floor for snapshots taken after this has been committed. It is the
-- first statement of its transaction that writes anything: read_floor refuses any other. It is called before the update has begun.
--   * A row that is not as it was saved may have come with a dump, which has the epoch of the tenure in which it was taken.
--   * A sequence below a floor that was read of it has been set back: then seqs up to the floor are drawn once more.
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
    -- Older releases tell by it what is from another cluster; floor_seq does now.
    batch_by_seq = CASE WHEN $4::pg_snapshot IS NOT NULL THEN false END,
    batch_numbered = $8,
    last_seq = $9,
    system_identifier = coalesce($10, sink.system_identifier),
    database_oid = CASE
        WHEN $10::bigint IS NULL THEN sink.database_oid
        ELSE (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    END,
    saved_txid = pg_current_xact_id(),
    updated_at = now()
FROM floor
WHERE sink.name = $1 AND sink.epoch = $11 AND sink.xmin = sink.saved_txid::xid
  AND floor.seq >= greatest($3::bigint, $5::bigint)
RETURNING floor.seq
