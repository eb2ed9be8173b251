-- Notes that a running load has come to the end of its table, in the epoch of a leader. Returns as advance_load.sql does.
--   $1 the sink, $2 the epoch; $3 the number of the load, $4 rows and $5 bytes of the load
WITH tenure AS MATERIALIZED (
    SELECT FROM forwarder.sink WHERE name = $1 AND epoch = $2 AND xmin = saved_txid::xid FOR SHARE
),
changed AS (
    UPDATE forwarder.load AS load
    SET
        state = 'finished',
        place = NULL,
        rows = $4,
        bytes = $5,
        finished_at = now(),
        updated_at = now(),
        saved_txid = pg_current_xact_id()
    FROM tenure
    WHERE load.number = $3 AND load.state = 'running'
      -- Else a dump was restored meanwhile.
      AND load.xmin = load.saved_txid::xid
    RETURNING load.number
)
SELECT EXISTS (SELECT FROM tenure) AS leads, EXISTS (SELECT FROM changed) AS is_changed
