-- Gives up loads that have not ended, or whose end was a failure. Returns their numbers.
--   $1 the sinks (null: all), $2 the ids of the tables (null: all)
UPDATE forwarder.load AS load
SET state = 'cancelled', place = NULL, finished_at = coalesce(finished_at, now()), updated_at = now()
WHERE ($1::text[] IS NULL OR sink = ANY ($1)) AND ($2::integer[] IS NULL OR table_id = ANY ($2))
  AND (
      finished_at IS NULL
      -- The newest one, of which listeners warn.
      OR state = 'failed' AND NOT EXISTS (
          SELECT FROM forwarder.load AS newer
          WHERE newer.sink = load.sink AND newer.table_id = load.table_id AND newer.number > load.number
      )
  )
RETURNING number
