-- Releases the doorbell's lock.
SELECT pg_advisory_unlock($1, $2)
