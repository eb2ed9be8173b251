-- Asks for a load of each of these tables for each of these sinks, unless one is under way. Returns the numbers of the new ones.
--   $1 the sinks, $2 the ids of the tables, $3 what of each table is to be loaded
INSERT INTO forwarder.load (sink, table_id, part)
SELECT sink.name, wanted.id, $3::jsonb
FROM unnest($1::text[]) WITH ORDINALITY AS sink (name, place)
CROSS JOIN unnest($2::integer[]) AS wanted (id)
ORDER BY sink.place, wanted.id
ON CONFLICT (sink, table_id) WHERE finished_at IS NULL DO NOTHING
RETURNING number
