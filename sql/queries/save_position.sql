-- Stores a position, if it is still the epoch $12, and returns a floor for later snapshots. The order of things is what makes the
-- floor true: the sequence is read before the update is given its transaction id, and a snapshot taken after this commit has an
-- xmax above that id. So a transaction that such a snapshot counts as not yet begun got its id, and then its seqs, after the
-- reading. For the function that reads the sequence see floor.sql.
WITH floor AS MATERIALIZED (
    SELECT coalesce(pg_sequence_last_value('forwarder.outbox_seq'), 0) AS seq
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
    updated_at = now()
FROM floor
WHERE sink.name = $1 AND sink.epoch = $12
RETURNING floor.seq
