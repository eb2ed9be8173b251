-- Every row of the registry that is of a table, each as a JSON object: forwarder.capture.tables.Registered says what is in it. The row with the id 0
-- is of the events that forwarder.emit() makes: there is no table behind it.
--   $1 a regular expression; each character that matches it is shown as a question mark
SELECT regexp_replace(json_build_object(
    'id', captured.id,
    'relation', captured.relation::bigint,
    'schema', captured.schema_name,
    'name', captured.table_name,
    'quoted', format('%I.%I', captured.schema_name, captured.table_name),
    'key_columns', captured.key_columns,
    'active', captured.removed_at IS NULL,
    -- Before 0031_rules.sql there was one option.
    'options', coalesce(
        to_jsonb(captured) -> 'options',
        CASE captured.before_image WHEN 'full' THEN '{}' ELSE jsonb_build_object('before', captured.before_image) END),
    'columns', coalesce(to_jsonb(captured) -> 'columns', '[]'),
    'triggers', to_jsonb(captured) -> 'triggers'
)::text, $1, '?', 'g')
FROM forwarder.captured_table AS captured
WHERE captured.id <> 0
ORDER BY captured.id
