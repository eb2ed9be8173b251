-- Pauses loads that are waiting or running. Returns their numbers. Of a row that came in a dump, saved_txid goes on to say so.
--   $1 the sinks (null: all), $2 the ids of the tables (null: all)
UPDATE forwarder.load
SET
    state = 'paused',
    updated_at = now(),
    saved_txid = CASE WHEN xmin = saved_txid::xid THEN pg_current_xact_id() ELSE saved_txid END
WHERE state IN ('waiting', 'running')
  AND ($1::text[] IS NULL OR sink = ANY ($1)) AND ($2::integer[] IS NULL OR table_id = ANY ($2))
RETURNING number
