-- The number of the newest load of each table for each sink. A load that has not ended is the newest one of its table.
--   $1 the sinks (null: all), $2 the ids of the tables (null: all)
SELECT max(number) AS number
FROM forwarder.load
WHERE ($1::text[] IS NULL OR sink = ANY ($1)) AND ($2::integer[] IS NULL OR table_id = ANY ($2))
GROUP BY sink, table_id
