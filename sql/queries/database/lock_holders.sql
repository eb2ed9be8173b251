-- Who holds an advisory lock of the two-integer key space: forwarder.database.lock_holders.Holder says what is in a row. Those who cannot be
-- listeners come first. Any role may ask: PostgreSQL hides what other sessions do, but not their roles and names.
--   $1 the class of the lock, $2 its number, or null if that is the hash of $3
--   * A leader updates forwarder.sink. A session that may not do that, neither as its own role nor as one that it can set, does not lead.
--   * A prepared transaction has no session. Its advisory lock and the lock of its transaction id have the same virtualtransaction.
WITH sink AS (
    SELECT class.oid, class.relnamespace
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = 'forwarder' AND class.relname = 'sink'
),
held AS (
    SELECT lock.pid, lock.mode, lock.virtualtransaction
    FROM pg_catalog.pg_locks AS lock
    WHERE lock.locktype = 'advisory' AND lock.objsubid = 2 AND lock.granted
      AND lock.classid = $1::bigint AND lock.objid = coalesce($2::bigint, hashtext($3::text)::bigint & 4294967295)
      AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
)
SELECT
    held.pid,
    activity.usename::text AS role,
    activity.application_name AS application,
    host(activity.client_addr) AS address,
    NULL::text AS prepared,
    held.mode = 'ExclusiveLock' AS is_exclusive,
    EXISTS (
        SELECT
        FROM sink, pg_catalog.pg_roles AS role
        WHERE pg_has_role(activity.usesysid, role.oid, 'MEMBER')
          AND has_schema_privilege(role.oid, sink.relnamespace, 'USAGE')
          AND has_any_column_privilege(role.oid, sink.oid, 'UPDATE')
    ) AS may_lead
FROM held
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
UNION ALL
SELECT NULL, prepared.owner::text, '', NULL, prepared.gid, held.mode = 'ExclusiveLock', false
FROM held
JOIN pg_catalog.pg_locks AS own ON own.virtualtransaction = held.virtualtransaction
JOIN pg_catalog.pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
WHERE held.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
ORDER BY may_lead, is_exclusive, pid
