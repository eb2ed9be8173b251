-- Gives up loads that have not ended. Returns their numbers.
--   $1 the sinks (null: all), $2 the ids of the tables (null: all)
UPDATE forwarder.load
SET state = 'cancelled', place = NULL, finished_at = now(), updated_at = now()
WHERE finished_at IS NULL
  AND ($1::text[] IS NULL OR sink = ANY ($1)) AND ($2::integer[] IS NULL OR table_id = ANY ($2))
RETURNING number
