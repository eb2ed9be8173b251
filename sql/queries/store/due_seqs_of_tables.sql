-- As due_seqs.sql, of some tables. Those whose stream could not be written to are left out: `waiting_seqs.sql` has them.
--   $1 the sink, $2 the tables, by their ids, $3 the seq after which to begin, $4 letters at most
-- It reads no more than so many letters of each table.
SELECT found.seq
FROM unnest($2::integer[]) AS chosen (table_id)
CROSS JOIN LATERAL (
    SELECT letter.seq
    FROM forwarder.dead_letter AS letter
    WHERE letter.sink = $1 AND letter.table_id = chosen.table_id AND letter.retry_at IS NOT NULL AND letter.code <> 'no-stream' AND letter.seq > $3
    ORDER BY letter.seq
    LIMIT $4
) AS found
ORDER BY found.seq
LIMIT $4
