-- One dead letter with all that is known of it, as a JSON object: with its row images, or why an image cannot be shown.
-- `moved_to` and `moved_from` are null unless an update changed the key: see docs/formats.md. `context` is as it was set, in a string; `extra` has what
-- the trigger has to say beside it, as an object.
--   $1 sink, $2 seq
SELECT json_build_object(
    'sink', letter.sink,
    'seq', letter.seq,
    'txid', letter.txid::text,
    'tx', json_build_object('index', nullif(letter.tx_index, 0), 'count', letter.tx_count),
    'schema', forwarder.legible(captured.schema_name),
    'table', forwarder.legible(captured.table_name),
    'op', CASE letter.op
        WHEN 'I' THEN 'insert' WHEN 'U' THEN 'update' WHEN 'D' THEN 'delete' WHEN 'T' THEN 'truncate' WHEN 'G' THEN 'gap'
        WHEN 'S' THEN 'schema' WHEN 'E' THEN 'event' WHEN 'R' THEN 'read' WHEN 'L' THEN 'load'
    END,
    'changed_at', letter.at,
    'partition_key', letter.partition_key,
    'record_bytes', letter.record_bytes,
    'code', letter.code,
    'reason', letter.reason,
    'attempts', letter.attempts,
    'set_aside_at', letter.set_aside_at,
    'retry_at', letter.retry_at,
    'before', CASE WHEN forwarder.utf8_fault(image.before) IS NULL THEN image.before::json END,
    'after', CASE WHEN forwarder.utf8_fault(image.after) IS NULL THEN image.after::json END,
    'moved_to', CASE WHEN forwarder.utf8_fault(image.moved_to) IS NULL THEN image.moved_to::json END,
    'moved_from', CASE WHEN forwarder.utf8_fault(image.moved_from) IS NULL THEN image.moved_from::json END,
    'context', CASE WHEN forwarder.utf8_fault(letter.context) IS NULL THEN letter.context END,
    'extra', CASE WHEN forwarder.utf8_fault(letter.extra) IS NULL THEN ('{' || letter.extra || '}')::json END,
    'fault', coalesce(letter.fault, forwarder.utf8_fault(image.before), forwarder.utf8_fault(image.after))
)::text
FROM forwarder.dead_letter AS letter
JOIN forwarder.captured_table AS captured ON captured.id = letter.table_id
-- An update of the key was captured as a delete and an insert. In place of the image that each cannot have stands the other one's key.
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN letter.op <> 'I' THEN letter.before END AS before,
        CASE WHEN letter.op <> 'D' THEN letter.after END AS after,
        CASE letter.op WHEN 'D' THEN letter.after END AS moved_to,
        CASE letter.op WHEN 'I' THEN letter.before END AS moved_from
) AS image
WHERE letter.sink = $1 AND letter.seq = $2
