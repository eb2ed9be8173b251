-- Every table that is or was captured, under its present name, so that a rename shows without `forwarder migrate`. If a table has no trigger of ours
-- with its id any more, the oid may be that of another table (after a restore): then the name of the last migrate is returned. Names that cannot
-- become UTF-8 are made legible. A key with such a column is returned as none: no image of a row can become UTF-8 then either. The names of the last migrate
-- stand beside the present ones.
--   $1 the tables that are asked for, by their ids; null: all
SELECT
    captured.id,
    captured.relation,
    forwarder.legible(coalesce(namespace.nspname, captured.schema_name)::text) AS schema,
    forwarder.legible(coalesce(class.relname, captured.table_name)::text) AS name,
    CASE WHEN forwarder.utf8_fault(captured.key_columns::text) IS NULL THEN captured.key_columns::text ELSE '[]' END AS key_columns,
    captured.before_image,
    forwarder.legible(captured.schema_name) AS migrated_schema,
    forwarder.legible(captured.table_name) AS migrated_name
FROM forwarder.captured_table AS captured
LEFT JOIN pg_catalog.pg_trigger AS trigger
    ON trigger.tgrelid = captured.relation
    AND trigger.tgname = '00_forwarder_capture'
    AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = captured.id::text
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE $1::integer[] IS NULL OR captured.id = ANY ($1)
