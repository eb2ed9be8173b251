-- Who we are, and who owns a table, as SQL names.
SELECT quote_ident(current_user) AS role, quote_ident(pg_get_userbyid(class.relowner)) AS owner
FROM pg_catalog.pg_class AS class
WHERE class.oid = to_regclass($1)
