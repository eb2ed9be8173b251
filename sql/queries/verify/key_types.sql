-- The columns of a table with their types as SQL, and the schema of each type, whose operators may be there too.
--   $1 the oid of the table
SELECT
    attribute.attnum,
    format_type(attribute.atttypid, attribute.atttypmod) AS type,
    quote_ident(namespace.nspname) AS schema
FROM pg_catalog.pg_attribute AS attribute
JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = type.typnamespace
WHERE attribute.attrelid = $1 AND attribute.attnum > 0 AND NOT attribute.attisdropped
