-- The captured tables, and what the role of this session may do with each. One that is gone is left out.
SELECT
    format('%I.%I', namespace.nspname, class.relname) AS quoted,
    quote_ident(namespace.nspname) AS schema,
    has_table_privilege(class.oid, 'TRIGGER') AS may_trigger,
    has_schema_privilege(namespace.oid, 'USAGE') AND has_table_privilege(class.oid, 'SELECT') AS may_select,
    row_security_active(class.oid) AS hides_rows
FROM forwarder.captured_table AS captured
JOIN pg_catalog.pg_class AS class ON class.oid = captured.relation
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE captured.removed_at IS NULL AND captured.id <> 0
ORDER BY 1
