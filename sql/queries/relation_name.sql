-- The present name of a relation, made legible if it cannot become UTF-8.
SELECT forwarder.legible(relname::text) FROM pg_catalog.pg_class WHERE oid = $1
