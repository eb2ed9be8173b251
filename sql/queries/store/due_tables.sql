-- The tables of which a sink has dead letters that are to be sent again, by their ids. Looks at one letter of each table.
--   $1 the sink
WITH RECURSIVE due (table_id) AS (
    SELECT min(table_id) FROM forwarder.dead_letter WHERE sink = $1 AND retry_at IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(letter.table_id)
        FROM forwarder.dead_letter AS letter
        WHERE letter.sink = $1 AND letter.retry_at IS NOT NULL AND letter.table_id > due.table_id
    )
    FROM due
    WHERE due.table_id IS NOT NULL
)
SELECT table_id FROM due WHERE table_id IS NOT NULL
