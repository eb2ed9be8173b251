-- Sets a sink back to a position inside a batch. It gets a new epoch, so whoever leads it begins again from there.
--   $1 the sink, $2 S1, $3 floor_seq of S1, $4 S2, $5 floor_seq of S2, $6 ceiling_seq of S2, $7 the seq up to which the batch is delivered
UPDATE forwarder.sink
SET
    delivered = $2,
    floor_seq = $3,
    batch = $4,
    batch_floor_seq = $5,
    batch_ceiling_seq = $6,
    batch_last_seq = $7,
    batch_by_seq = false,
    batch_numbered = NULL,
    last_seq = least(last_seq, $7),
    epoch = epoch + 1,
    saved_txid = pg_current_xact_id(),
    updated_at = now()
WHERE name = $1
