-- Notes that a load that waits has begun, in the epoch of a leader. Returns whether the epoch is still that, and whether the load still waited.
--   $1 the sink, $2 the epoch; $3 the number of the load, $4 the snapshot, $5 how many rows are expected
WITH tenure AS MATERIALIZED (
    SELECT FROM forwarder.sink WHERE name = $1 AND epoch = $2 AND xmin = saved_txid::xid FOR SHARE
),
changed AS (
    UPDATE forwarder.load
    SET
        state = 'running',
        begun = $4,
        place = NULL,
        rows = 0,
        bytes = 0,
        estimated_rows = $5,
        started_at = now(),
        updated_at = now(),
        database_oid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),
        saved_txid = pg_current_xact_id()
    FROM tenure
    WHERE number = $3 AND state = 'waiting'
    RETURNING number
)
SELECT EXISTS (SELECT FROM tenure) AS leads, EXISTS (SELECT FROM changed) AS is_changed
