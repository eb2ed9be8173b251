-- Takes the doorbell's lock for this session, unless a writer's transaction holds it shared. Returns whether it did.
--   $1 and $2 the lock
SELECT pg_try_advisory_lock($1, $2)
