-- For how many milliseconds a session waits for a lock before it looks for a deadlock. pg_settings would have every setting put into words.
SELECT (1000 * extract(epoch FROM current_setting('deadlock_timeout')::interval))::integer
