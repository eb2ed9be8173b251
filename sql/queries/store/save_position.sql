-- Stores a position, if the sink's epoch is still $11. Returns a floor for snapshots that are taken after this was committed; no row if it did not
-- store the position.
--   * It has to be the first statement of its transaction that writes anything, or read_floor raises an error. `floor` is materialized, so that it
--     is read before the update begins.
--   * xmin is the transaction that wrote the row. If it is not saved_txid, the row may have come with a dump, and have the epoch that the sink had
--     when the dump was taken.
--   * If the sequence is below a floor that was read of it, it has been set back, and seqs up to the floor will be drawn once more.
-- Parameters: $1 the sink; $2 S1, $3 its floor_seq; $4 S2, $5 its floor_seq, $6 its ceiling_seq, $7 the last seq delivered of the batch, $8 how far
-- large transactions are numbered; $9 the highest seq delivered; $10 the cluster, if the position was adopted from another one; $11 the epoch
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
    -- For earlier releases, which tell by it what is from another cluster. This one goes by floor_seq.
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
