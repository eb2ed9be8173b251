-- The present name of a relation.
SELECT relname::text FROM pg_catalog.pg_class WHERE oid = $1
