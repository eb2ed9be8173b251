-- For how many seconds each sink's oldest undelivered change has been waiting: null if none is. Found by the indexes, however
-- large the backlog is. Between batches that is the first of the transactions which the position does not see. Inside one it is
-- the next in order of seq; those of transactions that were running in S1 may be older, and come soon.
SELECT
    sink.name AS sink,
    (
        SELECT max(extract(epoch FROM clock_timestamp() - waiting.at))::double precision
        FROM (
            (
                SELECT change.at
                FROM forwarder.outbox AS change
                WHERE sink.batch IS NULL AND change.txid >= pg_snapshot_xmax(sink.delivered)
                ORDER BY change.txid, change.seq
                LIMIT 1
            )
            UNION ALL
            (
                SELECT change.at
                FROM forwarder.outbox AS change
                WHERE sink.batch IS NOT NULL AND change.txid >= pg_snapshot_xmax(sink.delivered)
                  AND change.seq > greatest(sink.batch_last_seq, sink.floor_seq)
                ORDER BY change.seq
                LIMIT 1
            )
            UNION ALL
            SELECT first.at
            FROM pg_snapshot_xip(sink.delivered) AS running (txid)
            CROSS JOIN LATERAL (
                SELECT change.at
                FROM forwarder.outbox AS change
                WHERE change.txid = running.txid AND change.seq > coalesce(sink.batch_last_seq, 0)
                ORDER BY change.txid, change.seq
                LIMIT 1
            ) AS first
        ) AS waiting
    ) AS waiting_seconds
FROM forwarder.sink AS sink
ORDER BY sink.name
