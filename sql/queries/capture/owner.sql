-- Who we are, and who owns a table and its schema, as SQL names; and whether we may use that schema. The table need not be one that we
-- may name.
SELECT
    quote_ident(current_user) AS role,
    quote_ident(pg_get_userbyid(class.relowner)) AS owner,
    quote_ident(namespace.nspname) AS schema,
    quote_ident(pg_get_userbyid(namespace.nspowner)) AS schema_owner,
    has_schema_privilege(namespace.oid, 'USAGE') AS may_use
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE format('%I.%I', namespace.nspname, class.relname) = $1
