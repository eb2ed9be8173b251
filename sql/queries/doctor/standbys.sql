-- How many sessions call themselves a leader's and have no leader's lock: each is of a listener that stands by for one sink.
--   $1 the beginning of such a name, $2 the class of the locks
SELECT count(*)
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.datname = current_database()
  AND starts_with(activity.application_name, $1::text)
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_locks AS lock
      WHERE lock.pid = activity.pid AND lock.locktype = 'advisory' AND lock.classid = $2::bigint AND lock.granted
  )
