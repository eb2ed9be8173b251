-- The dead letters that a sink is to be sent again, the oldest first, by their seqs.
--   $1 the sink, $2 the seq after which to begin, $3 letters at most
SELECT seq
FROM forwarder.dead_letter
WHERE sink = $1 AND retry_at IS NOT NULL AND seq > $2
ORDER BY seq
LIMIT $3
