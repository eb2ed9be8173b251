-- Every sink, as one JSON object each: forwarder.sinks.SinkStatus says what is in it. Counts what is not delivered, by the index,
-- so a large backlog takes a while. Of a sink of another cluster nobody can say what it has delivered, but for its last seq.
SELECT json_build_object(
    'name', sink.name,
    'last_seq', sink.last_seq,
    'saved_at', sink.updated_at,
    'created_at', sink.created_at,
    'is_foreign', sink.system_identifier <> control.system_identifier,
    'undelivered', backlog.count,
    'oldest_undelivered_at', backlog.oldest_at,
    'dead_letters', (SELECT count(*) FROM forwarder.dead_letter AS letter WHERE letter.sink = sink.name)
)::text
FROM forwarder.sink AS sink
CROSS JOIN pg_catalog.pg_control_system() AS control
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(change.at) AS oldest_at
    FROM (
        SELECT waiting.at, waiting.seq, waiting.txid
        FROM forwarder.outbox AS waiting
        WHERE sink.system_identifier = control.system_identifier AND waiting.txid >= pg_snapshot_xmax(sink.delivered)
        UNION ALL
        SELECT waiting.at, waiting.seq, waiting.txid
        FROM forwarder.outbox AS waiting
        WHERE sink.system_identifier = control.system_identifier
          AND waiting.txid = ANY (ARRAY(SELECT pg_snapshot_xip(sink.delivered)))
        UNION ALL
        SELECT waiting.at, waiting.seq, waiting.txid
        FROM forwarder.outbox AS waiting
        WHERE sink.system_identifier <> control.system_identifier AND waiting.seq > sink.last_seq
    ) AS change
    WHERE sink.batch IS NULL
       OR NOT (pg_visible_in_snapshot(change.txid, sink.batch) AND change.seq <= sink.batch_last_seq)
) AS backlog
ORDER BY sink.name
