-- The tables that have a load for a sink which has not ended, or has failed; `is_foreign`: its snapshot is of another cluster or database, since the
-- row came in a dump or with a copy of the database. Where nothing is loaded it reads one page of an index.
--   $1 the sink
SELECT
    table_id,
    finished_at IS NULL AND begun IS NOT NULL AND (
        xmin <> saved_txid::xid
        OR database_oid <> (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        OR pg_snapshot_xmax(begun) > pg_snapshot_xmax(pg_current_snapshot())
    ) AS is_foreign
FROM forwarder.load
WHERE sink = $1 AND (finished_at IS NULL OR state = 'failed')
