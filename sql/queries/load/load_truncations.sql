-- The last TRUNCATE of a table, and of each of its partitions, that the outbox has beyond a seq.
--   $1 the table's id, $2 the seq
SELECT relation, max(seq) AS seq FROM forwarder.outbox WHERE table_id = $1 AND op = 'T' AND seq > $2 GROUP BY relation
