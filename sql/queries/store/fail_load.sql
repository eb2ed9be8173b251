-- Notes that a load has failed, in the epoch of a leader. Returns whether the epoch is still that, and whether the load was still to be worked on.
--   $1 the sink, $2 the epoch; $3 the number of the load, $4 why
WITH tenure AS MATERIALIZED (
    SELECT FROM forwarder.sink WHERE name = $1 AND epoch = $2 AND xmin = saved_txid::xid FOR SHARE
),
changed AS (
    UPDATE forwarder.load
    SET state = 'failed', error = $4, place = NULL, finished_at = now(), updated_at = now()
    FROM tenure
    WHERE number = $3 AND state IN ('waiting', 'running')
    RETURNING number
)
SELECT EXISTS (SELECT FROM tenure) AS leads, EXISTS (SELECT FROM changed) AS is_changed
