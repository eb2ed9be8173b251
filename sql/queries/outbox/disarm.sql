-- Releases the doorbell's lock.
--   $1 and $2 the lock
SELECT pg_advisory_unlock($1, $2)
