-- Sets a sink back: its next batch is every change after a seq that is visible in S2, and whoever leads it begins again from there.
--   $1 the sink, $2 the seq, $3 S2, $4 floor_seq of S2, $5 ceiling_seq of S2
UPDATE forwarder.sink
SET
    delivered = '1:1:',
    floor_seq = $2,
    batch = $3,
    batch_floor_seq = $4,
    batch_ceiling_seq = $5,
    batch_last_seq = $2,
    batch_by_seq = false,
    batch_numbered = NULL,
    last_seq = least(last_seq, $2),
    epoch = epoch + 1,
    saved_txid = pg_current_xact_id(),
    updated_at = now()
WHERE name = $1
