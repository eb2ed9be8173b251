-- A sink's unfinished replay of some tables, as a JSON object: forwarder.store.replay_progress.Progress says what is in it. No row if it was begun in
-- another database, of which this is a copy, or for an earlier sink of this name.
--   $1 the sink
SELECT json_build_object(
    'tables', (
        SELECT coalesce(json_agg(named.name ORDER BY named.name), '[]')
        FROM (
            SELECT forwarder.legible(schema_name) || '.' || forwarder.legible(table_name) AS name
            FROM forwarder.captured_table
            WHERE id = ANY (replay.table_ids)
        ) AS named
    ),
    'asked_for', replay.asked_for,
    'begun_at', replay.begun_at,
    'first_seq', replay.first_seq,
    'first_at', replay.first_at::text,
    'next_seq', replay.next_seq,
    'last_seq', replay.last_seq,
    'changes', replay.changes,
    'is_short', replay.is_short,
    'oldest_seq', (SELECT seq FROM forwarder.outbox ORDER BY seq LIMIT 1)
)::text
FROM forwarder.replay AS replay
JOIN forwarder.sink AS sink ON sink.name = replay.sink AND sink.created_at <= replay.begun_at
JOIN pg_catalog.pg_control_system() AS control ON control.system_identifier = replay.system_identifier
JOIN pg_catalog.pg_database AS here ON here.oid = replay.database_oid AND here.datname = current_database()
WHERE replay.sink = $1
