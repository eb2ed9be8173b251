-- Every table that is or was captured, under the name it has now (a rename needs no migrate to show).
SELECT
    captured.id,
    captured.relation,
    coalesce(namespace.nspname, captured.schema_name)::text AS schema,
    coalesce(class.relname, captured.table_name)::text AS name,
    captured.key_columns::text AS key_columns,
    captured.before_image
FROM forwarder.captured_table AS captured
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = captured.relation
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
