-- Whether a sink is known; whether it has still to deliver a change of a table that a snapshot sees; and a text that is another one whenever the sink has
-- moved on.
--   $1 the sink, $2 the id of the table, $3 the snapshot
SELECT
    concat_ws(' ', standing.delivered, standing.batch, standing.batch_last_seq) AS place,
    EXISTS (
        SELECT
        FROM (
            SELECT waiting.table_id, waiting.seq, waiting.txid
            FROM forwarder.outbox AS waiting
            WHERE waiting.txid >= pg_snapshot_xmax(standing.delivered)
            UNION ALL
            SELECT waiting.table_id, waiting.seq, waiting.txid
            FROM forwarder.outbox AS waiting
            WHERE waiting.txid = ANY (ARRAY(SELECT pg_snapshot_xip(standing.delivered)))
        ) AS change
        WHERE change.table_id = $2
          AND pg_visible_in_snapshot(change.txid, $3)
          AND NOT (
              forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
              OR standing.batch IS NOT NULL
                  AND change.seq <= standing.batch_last_seq
                  AND forwarder.sees(standing.batch, standing.batch_floor_seq, change.txid, change.seq)
          )
    ) AS is_waiting
FROM forwarder.standings() AS standing
WHERE standing.sink = $1
