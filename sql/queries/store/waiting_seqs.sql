-- The dead letters of some tables whose stream could not be written to, and those that are to be sent again for another reason, in one order: the oldest
-- first, by their seqs.
--   $1 the sink, $2 the tables, by their ids, $3 the seq after which to begin, $4 letters at most
-- It reads no more than twice so many letters of each table.
SELECT found.seq
FROM unnest($2::integer[]) AS chosen (table_id)
CROSS JOIN LATERAL (
    (
        SELECT letter.seq
        FROM forwarder.dead_letter AS letter
        WHERE letter.sink = $1 AND letter.table_id = chosen.table_id AND letter.code = 'no-stream' AND letter.seq > $3
        ORDER BY letter.seq
        LIMIT $4
    )
    UNION
    (
        SELECT letter.seq
        FROM forwarder.dead_letter AS letter
        WHERE letter.sink = $1 AND letter.table_id = chosen.table_id AND letter.retry_at IS NOT NULL AND letter.seq > $3
        ORDER BY letter.seq
        LIMIT $4
    )
) AS found
ORDER BY found.seq
LIMIT $4
