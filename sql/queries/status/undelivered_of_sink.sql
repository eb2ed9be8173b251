-- How many changes a sink has not delivered, 10,000 at most: the branches of backlogs.sql, each of which walks an index.
--   $1 the sink
SELECT count(*) AS changes
FROM forwarder.standings() AS standing
CROSS JOIN LATERAL (
    (
        SELECT
        FROM forwarder.outbox AS change
        WHERE standing.batch IS NULL AND NOT standing.is_foreign
          AND change.txid >= pg_snapshot_xmax(standing.delivered)
          AND change.txid < pg_snapshot_xmax(pg_current_snapshot())
          AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
        ORDER BY change.txid, change.seq
        LIMIT 10000
    )
    UNION ALL
    (
        SELECT
        FROM forwarder.outbox AS change
        WHERE (standing.batch IS NOT NULL OR standing.is_foreign)
          AND change.seq > greatest(standing.batch_last_seq, standing.floor_seq)
          AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
        ORDER BY change.seq
        LIMIT 10000
    )
    UNION ALL
    SELECT
    FROM pg_snapshot_xip(standing.delivered) AS running (txid)
    CROSS JOIN LATERAL (
        SELECT
        FROM forwarder.outbox AS change
        WHERE change.txid = running.txid AND change.seq > coalesce(standing.batch_last_seq, 0)
          AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
        ORDER BY change.txid, change.seq
        LIMIT 10000
    ) AS of_running
    LIMIT 10000
) AS change
WHERE standing.sink = $1
