-- Who holds an advisory lock of the two-integer key space.
SELECT pid FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND objsubid = 2 AND classid = $1::bigint AND objid = $2::bigint AND granted
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
