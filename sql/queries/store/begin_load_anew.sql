-- Has a load that was under way begin anew, in the epoch of a leader. Returns whether the epoch is still that, and whether the load still ran or waited.
--   $1 the sink, $2 the epoch; $3 the number of the load
WITH tenure AS MATERIALIZED (
    SELECT FROM forwarder.sink WHERE name = $1 AND epoch = $2 AND xmin = saved_txid::xid FOR SHARE
),
changed AS (
    UPDATE forwarder.load AS load
    SET
        state = 'waiting', begun = NULL, place = NULL, rows = 0, bytes = 0, estimated_rows = NULL, started_at = NULL, updated_at = now(),
        saved_txid = pg_current_xact_id()
    FROM tenure
    WHERE load.number = $3 AND load.state IN ('waiting', 'running')
    RETURNING load.number
)
SELECT EXISTS (SELECT FROM tenure) AS leads, EXISTS (SELECT FROM changed) AS is_changed
