-- Which of these tables lack which of these columns. A table that was dropped lacks none.
--   $1 oids of tables, $2 names of columns
SELECT relation.oid AS relation, wanted.name AS column_name
FROM pg_catalog.pg_class AS relation
CROSS JOIN unnest($2::text[]) AS wanted (name)
WHERE
    relation.oid = ANY ($1::oid[])
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS found
        WHERE found.attrelid = relation.oid AND found.attname = wanted.name::name AND found.attnum > 0 AND NOT found.attisdropped
    )
ORDER BY relation.oid, wanted.name
