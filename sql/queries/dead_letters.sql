-- Dead letters without their images, as one JSON object each, the newest first; a filter that is null lets all pass.
--   $1 sink, $2 seqs, $3 code, $4 set aside since
SELECT json_build_object(
    'sink', letter.sink,
    'seq', letter.seq,
    'schema', captured.schema_name,
    'name', captured.table_name,
    'op', letter.op,
    'code', letter.code,
    'record_bytes', letter.record_bytes,
    'attempts', letter.attempts,
    'changed_at', letter.at,
    'set_aside_at', letter.set_aside_at,
    'retry_at', letter.retry_at
)::text
FROM forwarder.dead_letter AS letter
-- OFFSET 0: each name once, however many letters there are.
JOIN (
    SELECT id, forwarder.legible(schema_name) AS schema_name, forwarder.legible(table_name) AS table_name
    FROM forwarder.captured_table
    OFFSET 0
) AS captured ON captured.id = letter.table_id
WHERE ($1::text IS NULL OR letter.sink = $1)
  AND ($2::bigint[] IS NULL OR letter.seq = ANY ($2))
  AND ($3::text IS NULL OR letter.code = $3)
  AND ($4::text IS NULL OR letter.set_aside_at >= $4::timestamptz)
ORDER BY letter.set_aside_at DESC, letter.seq DESC
