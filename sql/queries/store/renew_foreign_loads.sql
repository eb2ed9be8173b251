-- Has the unfinished loads of a sink begin anew whose snapshot is of another cluster or database: the rows came in a dump, or with a copy of the
-- database. Returns their numbers.
--   $1 the sink
UPDATE forwarder.load
SET
    state = CASE state WHEN 'running' THEN 'waiting' ELSE state END,
    begun = NULL,
    place = NULL,
    rows = 0,
    bytes = 0,
    estimated_rows = NULL,
    started_at = NULL,
    updated_at = now()
WHERE sink = $1 AND finished_at IS NULL AND begun IS NOT NULL
  AND (
      xmin <> saved_txid::xid
      OR database_oid <> (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      OR pg_snapshot_xmax(begun) > pg_snapshot_xmax(pg_current_snapshot())
  )
RETURNING number
