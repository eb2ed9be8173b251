-- One dead letter with all that is known of it, as a JSON object: with its row images, or why an image cannot be shown.
--   $1 sink, $2 seq
SELECT json_build_object(
    'sink', letter.sink,
    'seq', letter.seq,
    'txid', letter.txid::text,
    'tx', json_build_object('index', nullif(letter.tx_index, 0), 'count', letter.tx_count),
    'schema', forwarder.legible(captured.schema_name),
    'table', forwarder.legible(captured.table_name),
    'op', CASE letter.op WHEN 'I' THEN 'insert' WHEN 'U' THEN 'update' WHEN 'D' THEN 'delete' ELSE 'truncate' END,
    'changed_at', letter.at,
    'partition_key', letter.partition_key,
    'record_bytes', letter.record_bytes,
    'code', letter.code,
    'reason', letter.reason,
    'attempts', letter.attempts,
    'set_aside_at', letter.set_aside_at,
    'retry_at', letter.retry_at,
    'before', CASE WHEN forwarder.utf8_fault(letter.before) IS NULL THEN letter.before::json END,
    'after', CASE WHEN forwarder.utf8_fault(letter.after) IS NULL THEN letter.after::json END,
    'fault', coalesce(letter.fault, forwarder.utf8_fault(letter.before), forwarder.utf8_fault(letter.after))
)::text
FROM forwarder.dead_letter AS letter
JOIN forwarder.captured_table AS captured ON captured.id = letter.table_id
WHERE letter.sink = $1 AND letter.seq = $2
