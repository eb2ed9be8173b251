-- Notes that a running load has come to the end of its table, in the epoch of a leader, and counts the rows. Returns as advance_load.sql does.
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
),
-- As the load was before: all parts of a statement see that.
counted AS (
    INSERT INTO forwarder.tally (sink, table_id, reads, bytes, delivered_at)
    SELECT $1, load.table_id, $4::bigint - load.rows, $5::bigint - load.bytes, now()
    FROM changed
    JOIN forwarder.load AS load ON load.number = changed.number
    WHERE $4::bigint > load.rows
)
SELECT EXISTS (SELECT FROM tenure) AS leads, EXISTS (SELECT FROM changed) AS is_changed
