-- The columns that the table of a dead letter has, and had before, as columns.sql returns them; null if nobody has looked them up.
--   $1 sink, $2 seq
SELECT known.columns::text
FROM forwarder.dead_letter AS letter
JOIN forwarder.known_columns AS known ON known.table_id = letter.table_id
WHERE letter.sink = $1 AND letter.seq = $2
