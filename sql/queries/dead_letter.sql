-- One dead letter with all that is known of it, its row images included, as JSON.
--   $1 sink, $2 seq
SELECT json_build_object(
    'sink', letter.sink,
    'seq', letter.seq,
    'txid', letter.txid::text,
    'tx', json_build_object('index', letter.tx_index, 'count', letter.tx_count),
    'schema', captured.schema_name,
    'table', captured.table_name,
    'op', CASE letter.op WHEN 'I' THEN 'insert' WHEN 'U' THEN 'update' WHEN 'D' THEN 'delete' ELSE 'truncate' END,
    'changed_at', letter.at,
    'partition_key', letter.partition_key,
    'record_bytes', letter.record_bytes,
    'code', letter.code,
    'reason', letter.reason,
    'attempts', letter.attempts,
    'set_aside_at', letter.set_aside_at,
    'retry_at', letter.retry_at,
    'before', letter.before::json,
    'after', letter.after::json
)::text
FROM forwarder.dead_letter AS letter
JOIN forwarder.captured_table AS captured ON captured.id = letter.table_id
WHERE letter.sink = $1 AND letter.seq = $2
