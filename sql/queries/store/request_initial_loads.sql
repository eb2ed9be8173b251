-- Asks for the first load of tables that have not had one for this sink, and have none under way.
--   $1 the sink, $2 the ids of the tables
INSERT INTO forwarder.load (sink, table_id, is_initial)
SELECT $1, wanted.id, true
FROM unnest($2::integer[]) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM forwarder.load AS known WHERE known.sink = $1 AND known.table_id = wanted.id AND known.is_initial)
ORDER BY wanted.id
ON CONFLICT DO NOTHING
RETURNING table_id
