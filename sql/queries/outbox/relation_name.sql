-- The present names of a relation ($1) and its schema, made legible if they cannot become UTF-8.
SELECT forwarder.legible(namespace.nspname::text) AS schema, forwarder.legible(class.relname::text) AS name
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.oid = $1
