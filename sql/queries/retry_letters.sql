-- Asks for dead letters to be sent again.
--   $1 sinks and $2 seqs, pair by pair
UPDATE forwarder.dead_letter AS letter
SET retry_at = now()
FROM unnest($1::text[], $2::bigint[]) AS chosen (sink, seq)
WHERE letter.sink = chosen.sink AND letter.seq = chosen.seq
