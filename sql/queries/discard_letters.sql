-- Gives dead letters up.
--   $1 sinks and $2 seqs, pair by pair
DELETE FROM forwarder.dead_letter AS letter
USING unnest($1::text[], $2::bigint[]) AS chosen (sink, seq)
WHERE letter.sink = chosen.sink AND letter.seq = chosen.seq
