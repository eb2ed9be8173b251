-- Every sink, as one JSON object each: forwarder.sinks.SinkStatus says what is in it. Counts what is not delivered, by the index,
-- so a large backlog takes a while. Of a sink of another cluster nobody can say what it has delivered, but for its last seq.
--   $1 the class of the leaders' locks
SELECT json_build_object(
    'name', sink.name,
    'last_seq', sink.last_seq,
    'saved_at', sink.updated_at,
    'created_at', sink.created_at,
    'is_foreign', sink.system_identifier <> control.system_identifier,
    'undelivered', backlog.count,
    'oldest_undelivered_at', backlog.oldest_at,
    'dead_letters', (SELECT count(*) FROM forwarder.dead_letter AS letter WHERE letter.sink = sink.name),
    'leader_pid', leader.pid,
    'leader_address', leader.address
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
LEFT JOIN LATERAL (
    SELECT lock.pid, host(activity.client_addr) AS address
    FROM pg_catalog.pg_locks AS lock
    LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
    WHERE lock.locktype = 'advisory' AND lock.objsubid = 2 AND lock.granted
      AND lock.classid = $1::bigint AND lock.objid = (hashtext(sink.name)::bigint & 4294967295)
      AND lock.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    LIMIT 1
) AS leader ON true
ORDER BY sink.name
