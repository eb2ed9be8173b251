-- Notes how far a running load has come, in the epoch of a leader, and counts the rows. Returns whether the epoch is still that, and whether the load still ran.
--   $1 the sink, $2 the epoch; $3 the number of the load, $4 the place now, $5 rows and $6 bytes of the load so far
WITH tenure AS MATERIALIZED (
    SELECT FROM forwarder.sink WHERE name = $1 AND epoch = $2 AND xmin = saved_txid::xid FOR SHARE
),
changed AS (
    UPDATE forwarder.load AS load
    SET place = $4, rows = $5, bytes = $6, updated_at = now(), saved_txid = pg_current_xact_id()
    FROM tenure
    WHERE load.number = $3 AND load.state = 'running'
      -- Else a dump was restored meanwhile.
      AND load.xmin = load.saved_txid::xid
    RETURNING load.number
),
-- As the load was before: all parts of a statement see that.
counted AS (
    INSERT INTO forwarder.tally (sink, table_id, reads, bytes, delivered_at)
    SELECT $1, load.table_id, $5::bigint - load.rows, $6::bigint - load.bytes, now()
    FROM changed
    JOIN forwarder.load AS load ON load.number = changed.number
    WHERE $5::bigint > load.rows
)
SELECT EXISTS (SELECT FROM tenure) AS leads, EXISTS (SELECT FROM changed) AS is_changed
