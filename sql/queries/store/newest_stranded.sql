-- Of each of these tables the newest change that is a dead letter since its stream could not be written to: its transaction, its seq, and a
-- snapshot of now.
--   $1 the sink, $2 the tables, by their ids
SELECT newest.txid, newest.seq, pg_current_snapshot() AS snapshot
FROM unnest($2::integer[]) AS chosen (table_id)
CROSS JOIN LATERAL (
    SELECT letter.txid, letter.seq
    FROM forwarder.dead_letter AS letter
    WHERE letter.sink = $1 AND letter.table_id = chosen.table_id AND letter.code = 'no-stream'
    ORDER BY letter.seq DESC
    LIMIT 1
) AS newest
