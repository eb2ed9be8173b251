-- For each sink: how many seconds its oldest undelivered change has been waiting (null: none waits), about how many changes wait, and how many were
-- set aside and are still there.
-- Each branch for the oldest is an index probe, however large the backlog is; the longest wait of the three counts:
--   1. Between batches: the first change of the transactions from xmax of S1 on. As in drain.sql, changes that were copied from a cluster with
--      higher transaction ids are not looked at.
--   2. Inside a batch, and for a foreign sink: the next change in order of seq.
--   3. In both cases: the first change of each transaction that was running in S1.
-- The same branches are counted, 1,000 changes at most. From there on the count is the distance of seqs from what is delivered to the last one drawn, in
-- which also those count that were rolled back, or are for other sinks. Of dead letters 10,000 stand for that many or more.
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
    ) AS waiting_seconds,
    CASE
        WHEN counted.changes < 1000 THEN counted.changes
        ELSE greatest(
            counted.changes,
            (SELECT last_value FROM forwarder.outbox_seq) - greatest(standing.batch_last_seq, standing.floor_seq)
        )
    END AS changes,
    (
        SELECT count(*)
        FROM (SELECT FROM forwarder.dead_letter AS letter WHERE letter.sink = standing.sink LIMIT 10000) AS letters
    ) AS dead_letters
FROM forwarder.standings() AS standing
CROSS JOIN LATERAL (
    SELECT count(*) AS changes
    FROM (
        (
            SELECT
            FROM forwarder.outbox AS change
            WHERE standing.batch IS NULL AND NOT standing.is_foreign
              AND change.txid >= pg_snapshot_xmax(standing.delivered)
              AND change.txid < pg_snapshot_xmax(pg_current_snapshot())
              AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
            ORDER BY change.txid, change.seq
            LIMIT 1000
        )
        UNION ALL
        (
            SELECT
            FROM forwarder.outbox AS change
            WHERE (standing.batch IS NOT NULL OR standing.is_foreign)
              AND change.seq > greatest(standing.batch_last_seq, standing.floor_seq)
              AND NOT forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
            ORDER BY change.seq
            LIMIT 1000
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
            LIMIT 1000
        ) AS of_running
        LIMIT 1000
    ) AS change
) AS counted
ORDER BY standing.sink
