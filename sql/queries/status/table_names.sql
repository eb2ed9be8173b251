-- Every table that is or was captured, under its present name, and whether it is captured now.
SELECT
    captured.id,
    forwarder.legible(coalesce(namespace.nspname, captured.schema_name)::text) AS schema,
    forwarder.legible(coalesce(class.relname, captured.table_name)::text) AS name,
    captured.removed_at IS NULL AS is_captured
FROM forwarder.captured_table AS captured
LEFT JOIN pg_catalog.pg_trigger AS trigger
    ON trigger.tgrelid = captured.relation
    AND trigger.tgname = '00_forwarder_capture'
    AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = captured.id::text
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE captured.id <> 0
ORDER BY schema, name, captured.id
