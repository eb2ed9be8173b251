-- Drops dead letters that were delivered; one that was refused again meanwhile stays.
--   $1 the sink, $2 the seqs
DELETE FROM forwarder.dead_letter WHERE sink = $1 AND seq = ANY ($2::bigint[]) AND retry_at IS NOT NULL
