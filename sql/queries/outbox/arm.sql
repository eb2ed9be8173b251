-- Takes the doorbell's lock for this session, if no writer's transaction holds it shared.
SELECT pg_try_advisory_lock($1, $2)
