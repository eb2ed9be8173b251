-- Takes the lock of a sink's only listener for this session, if nobody has it. Whether it is taken or not, the server ends the
-- session when nothing has been asked for so long ($3), inside a transaction or outside.
SELECT
    pg_try_advisory_lock($1, hashtext($2)),
    set_config('idle_session_timeout', $3, false),
    set_config('idle_in_transaction_session_timeout', $3, false)
