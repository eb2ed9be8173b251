-- For each sink, how many seconds its oldest undelivered change has been waiting; null if none waits. Each branch is an index probe, however
-- large the backlog is; the longest wait of the three counts:
--   1. Between batches: the first change of the transactions from xmax of S1 on. As in drain.sql, changes that were copied from a cluster with
--      higher transaction ids are not looked at.
--   2. Inside a batch, and for a foreign sink: the next change in order of seq.
--   3. In both cases: the first change of each transaction that was running in S1.
SELECT
    standing.sink AS sink,
    (
        SELECT max(extract(epoch FROM clock_timestamp() - waiting.at))::double precision
        FROM (
            (
                SELECT change.at
                FROM forwarder.outbox AS change
                WHERE standing.batch IS NULL AND NOT standing.is_foreign
                  AND change.txid >= pg_snapshot_xmax(standing.delivered)
                  AND change.txid < pg_snapshot_xmax(pg_current_snapshot())
                  AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
                ORDER BY change.txid, change.seq
                LIMIT 1
            )
            UNION ALL
            (
                SELECT change.at
                FROM forwarder.outbox AS change
                WHERE (standing.batch IS NOT NULL OR standing.is_foreign)
                  AND change.seq > greatest(standing.batch_last_seq, standing.floor_seq)
                  AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
                ORDER BY change.seq
                LIMIT 1
            )
            UNION ALL
            SELECT first.at
            FROM pg_snapshot_xip(standing.delivered) AS running (txid)
            CROSS JOIN LATERAL (
                SELECT change.at
                FROM forwarder.outbox AS change
                WHERE change.txid = running.txid AND change.seq > coalesce(standing.batch_last_seq, 0)
                  AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
                ORDER BY change.txid, change.seq
                LIMIT 1
            ) AS first
        ) AS waiting
    ) AS waiting_seconds
FROM forwarder.standings() AS standing
ORDER BY standing.sink
