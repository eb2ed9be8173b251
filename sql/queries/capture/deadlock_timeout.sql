-- For how many milliseconds a session waits for a lock before it looks for a deadlock.
SELECT setting::integer FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'
