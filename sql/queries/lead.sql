-- Takes the lock of a sink's only listener for this session, if nobody has it.
SELECT pg_try_advisory_lock($1, hashtext($2))
