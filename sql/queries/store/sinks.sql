-- Every sink, each as a JSON object: forwarder.store.sink_status.SinkStatus says what is in it. What is not delivered is counted, so a large backlog
-- takes a while. Of a foreign sink only its last seq tells what it has delivered.
WITH standing AS MATERIALIZED (
    SELECT * FROM forwarder.standings()
)
SELECT json_build_object(
    'name', sink.name,
    'last_seq', sink.last_seq,
    'saved_at', sink.updated_at,
    'created_at', sink.created_at,
    'is_foreign', standing.is_foreign,
    'undelivered', backlog.count,
    'oldest_undelivered_at', backlog.oldest_at,
    'dead_letters', (SELECT count(*) FROM forwarder.dead_letter AS letter WHERE letter.sink = sink.name)
)::text
FROM forwarder.sink AS sink
JOIN standing ON standing.sink = sink.name
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(change.at) AS oldest_at
    FROM (
        SELECT waiting.at, waiting.seq, waiting.txid
        FROM forwarder.outbox AS waiting
        WHERE waiting.txid >= pg_snapshot_xmax(standing.delivered)
        UNION ALL
        SELECT waiting.at, waiting.seq, waiting.txid
        FROM forwarder.outbox AS waiting
        WHERE waiting.txid = ANY (ARRAY(SELECT pg_snapshot_xip(standing.delivered)))
    ) AS change
    WHERE NOT (
        forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
        OR standing.batch IS NOT NULL
            AND change.seq <= standing.batch_last_seq
            AND forwarder.sees(standing.batch, standing.batch_floor_seq, change.txid, change.seq)
    )
) AS backlog
ORDER BY sink.name
