-- Our role, the owners of a table and of its schema, as SQL writes them; and whether we may use the schema. Works without any right on the table.
--   $1 the table, as SQL writes it
SELECT
    quote_ident(current_user) AS role,
    quote_ident(pg_get_userbyid(class.relowner)) AS owner,
    quote_ident(namespace.nspname) AS schema,
    quote_ident(pg_get_userbyid(namespace.nspowner)) AS schema_owner,
    has_schema_privilege(namespace.oid, 'USAGE') AS may_use
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE format('%I.%I', namespace.nspname, class.relname) = $1
