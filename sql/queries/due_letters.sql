-- The dead letters that a sink is to be given again, the oldest first, with the columns of the outbox in its order.
--   $1 the sink, $2 rows at most
SELECT seq, txid, at, table_id, relation, op, before, after, fault, tx_index, tx_count
FROM forwarder.dead_letter
WHERE sink = $1 AND retry_at IS NOT NULL
ORDER BY seq
LIMIT $2
