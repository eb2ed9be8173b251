-- The first statement of a chunk's transaction behind the lock of its table: the snapshot that the chunk has too, and whether the table is as it was.
--   $1 its oid
SELECT pg_current_snapshot()::text AS snapshot, clock_timestamp() AS at, forwarder.relation_stamp($1) AS stamp
