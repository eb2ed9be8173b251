-- Every sink by name: what its position says, and who has its leader's lock (null: nobody).
--   $1 the class of the leaders' locks
-- The locks of the whole instance are gone through once, however many sinks there are.
WITH led AS MATERIALIZED (
    SELECT lock.objid::bigint AS hash, min(lock.pid) AS pid, bool_and(lock.mode = 'ExclusiveLock' AND lock.pid IS NOT NULL) AS is_sound
    FROM pg_catalog.pg_locks AS lock
    WHERE lock.locktype = 'advisory' AND lock.objsubid = 2 AND lock.granted AND lock.classid = $1::bigint
      AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    GROUP BY lock.objid
)
SELECT
    sink.name,
    greatest(sink.last_seq, 0) AS delivered_seq,
    extract(epoch FROM sink.updated_at)::double precision AS saved_at,
    led.hash IS NOT NULL AS is_led,
    coalesce(led.is_sound AND starts_with(activity.application_name, 'forwarder leader'), false) AS leads_as_listener,
    activity.pid AS leader_pid,
    host(activity.client_addr) AS leader_address
FROM forwarder.sink AS sink
LEFT JOIN led ON led.hash = hashtext(sink.name)::bigint & 4294967295
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = led.pid
ORDER BY sink.name
