-- The transactions that are open, those first that hold back vacuum the most, or are the oldest: forwarder.doctor.transactions.Transaction says what
-- is in a row. Prepared ones are among them. PostgreSQL hides since when a transaction of another role is open, but not which transactions it sees.
SELECT
    CASE WHEN activity.usename IS NULL THEN 'a process of the server' ELSE format('role %I', activity.usename) END
        || format(', application %L, pid %s', activity.application_name, activity.pid) AS who,
    activity.state,
    extract(epoch FROM clock_timestamp() - activity.xact_start)::double precision AS seconds,
    coalesce(greatest(age(activity.backend_xid), age(activity.backend_xmin)), 0) AS held_ids,
    format('SELECT pg_terminate_backend(%s)', activity.pid) AS remedy
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.pid <> pg_backend_pid()
  AND (activity.datname = current_database() OR activity.datname IS NULL)
  AND (activity.xact_start IS NOT NULL OR activity.backend_xid IS NOT NULL OR activity.backend_xmin IS NOT NULL)
UNION ALL
SELECT
    format('prepared transaction %L of role %I', prepared.gid, prepared.owner),
    'prepared',
    extract(epoch FROM clock_timestamp() - prepared.prepared)::double precision,
    age(prepared.transaction),
    format('COMMIT PREPARED %1$L, or ROLLBACK PREPARED %1$L', prepared.gid)
FROM pg_catalog.pg_prepared_xacts AS prepared
WHERE prepared.database = current_database()
ORDER BY held_ids DESC, seconds DESC NULLS LAST
LIMIT 50
