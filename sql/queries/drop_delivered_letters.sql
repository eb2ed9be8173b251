-- Drops dead letters that were delivered. One that was refused again since it was read has had an attempt more, and stays, also if
-- somebody has asked for it once more meanwhile.
--   $1 the sink, $2 the seqs, $3 how many attempts each had when it was read
DELETE FROM forwarder.dead_letter AS letter
USING unnest($2::bigint[], $3::integer[]) AS delivered (seq, attempts)
WHERE letter.sink = $1 AND letter.seq = delivered.seq AND letter.attempts = delivered.attempts
