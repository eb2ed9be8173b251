-- The loads of a sink that have not ended, and those that have failed and were not asked for again, in the order of their numbers. `is_foreign`: the
-- snapshot of the load is of another cluster or database, since the row came in a dump or with a copy of the database. Where nothing is loaded
-- this reads one page of an index.
--   $1 the sink
SELECT
    number,
    state,
    rows,
    estimated_rows,
    finished_at IS NULL AND begun IS NOT NULL AND (
        xmin <> saved_txid::xid
        OR database_oid <> (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        OR pg_snapshot_xmax(begun) > pg_snapshot_xmax(pg_current_snapshot())
    ) AS is_foreign
FROM forwarder.load AS load
WHERE sink = $1 AND (finished_at IS NULL OR state = 'failed')
  AND (
      finished_at IS NULL
      OR NOT EXISTS (
          SELECT FROM forwarder.load AS newer
          WHERE newer.sink = load.sink AND newer.table_id = load.table_id AND newer.number > load.number
      )
  )
ORDER BY number
