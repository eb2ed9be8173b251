-- The session that keeps us from a lock on a table or one of its partitions; of several, the one whose transaction is the oldest. One that only
-- vacuums or analyses is returned only if there is no other.
--   $1 the table, $2 whether we want ACCESS EXCLUSIVE, as a drop does, and not SHARE ROW EXCLUSIVE
-- Waits for no lock itself, as pg_partition_tree() would.
WITH RECURSIVE family (oid) AS (
    SELECT to_regclass($1)::oid
    UNION ALL
    SELECT link.inhrelid
    FROM family
    JOIN pg_catalog.pg_inherits AS link ON link.inhparent = family.oid AND NOT link.inhdetachpending
)
SELECT
    lock.pid,
    lock.mode,
    activity.application_name AS application,
    activity.xact_start::text AS since
FROM pg_catalog.pg_locks AS lock
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
WHERE lock.locktype = 'relation' AND lock.granted AND lock.pid IS DISTINCT FROM pg_backend_pid()
  AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND ($2 OR lock.mode NOT IN ('AccessShareLock', 'RowShareLock'))
  AND lock.relation IN (SELECT family.oid FROM family)
ORDER BY lock.mode = 'ShareUpdateExclusiveLock', activity.xact_start, lock.pid
LIMIT 1
