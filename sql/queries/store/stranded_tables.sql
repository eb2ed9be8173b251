-- The tables of which a sink has dead letters whose stream could not be written to, by their ids. Looks at one letter of each table.
--   $1 the sink
WITH RECURSIVE stranded (table_id) AS (
    SELECT min(table_id) FROM forwarder.dead_letter WHERE sink = $1 AND code = 'no-stream'
    UNION ALL
    SELECT (
        SELECT min(letter.table_id)
        FROM forwarder.dead_letter AS letter
        WHERE letter.sink = $1 AND letter.code = 'no-stream' AND letter.table_id > stranded.table_id
    )
    FROM stranded
    WHERE stranded.table_id IS NOT NULL
)
SELECT table_id FROM stranded WHERE table_id IS NOT NULL
