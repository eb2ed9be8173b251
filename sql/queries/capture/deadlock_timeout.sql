-- After how many milliseconds whoever waits for a lock looks for a deadlock.
SELECT setting::integer FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'
