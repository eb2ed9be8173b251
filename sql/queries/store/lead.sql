-- Takes the leader's lock of a sink for this session, if nobody has it. In any case, from now on the server ends the session if nothing is asked of
-- it for as long as $3, inside a transaction or outside.
--   $1 the class of the lock, $2 the sink, $3 a time with its unit
SELECT
    pg_try_advisory_lock($1, hashtext($2)),
    set_config('idle_session_timeout', $3, false),
    set_config('idle_in_transaction_session_timeout', $3, false)
