-- What is so at this moment: the database's time, the ids of the tables whose capture is paused, whether the doorbell is armed, and how many
-- transactions have written changes and are open, prepared ones among them.
--   $1 the class of our locks, $2 the number of the doorbell's
-- Who writes a change has the outbox locked until the transaction ends.
WITH held AS MATERIALIZED (
    SELECT lock.locktype, lock.virtualtransaction
    FROM pg_catalog.pg_locks AS lock
    WHERE lock.granted
      AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND (
          lock.locktype = 'relation' AND lock.relation = 'forwarder.outbox'::regclass AND lock.mode = 'RowExclusiveLock'
          OR lock.locktype = 'advisory' AND lock.objsubid = 2 AND lock.classid = $1::bigint AND lock.objid = $2::bigint
             AND lock.mode = 'ExclusiveLock'
      )
)
SELECT
    extract(epoch FROM clock_timestamp())::double precision AS at,
    forwarder.paused_tables() AS paused_ids,
    EXISTS (SELECT FROM held WHERE locktype = 'advisory') AS is_armed,
    (SELECT count(DISTINCT virtualtransaction) FROM held WHERE locktype = 'relation') AS writers
