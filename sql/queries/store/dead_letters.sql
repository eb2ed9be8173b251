-- A page of dead letters without their images, each as a JSON object, in order of sink and seq. A filter that is null lets all pass.
--   $1 sink, $2 seqs, $3 code, $4 set aside since, $5 ids of tables; $6 and $7 the sink and seq of the last letter of the page before, $8
--   letters at most
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
-- OFFSET 0 makes each name legible once, and not once for each letter.
JOIN (
    SELECT id, forwarder.legible(schema_name) AS schema_name, forwarder.legible(table_name) AS table_name
    FROM forwarder.captured_table
    OFFSET 0
) AS captured ON captured.id = letter.table_id
WHERE ($1::text IS NULL OR letter.sink = $1)
  AND ($2::bigint[] IS NULL OR letter.seq = ANY ($2))
  AND ($3::text IS NULL OR letter.code = $3)
  AND ($4::text IS NULL OR letter.set_aside_at >= $4::timestamptz)
  AND ($5::integer[] IS NULL OR letter.table_id = ANY ($5))
  AND (letter.sink, letter.seq) > ($6::text, $7::bigint)
ORDER BY letter.sink, letter.seq
LIMIT $8
