-- How many bytes the images of one change may have; null where the schema is missing or older than this limit. Read from the function's own text,
-- which is its only statement, so that it can be asked of any schema.
SELECT substring(function.prosrc FROM '\d+')::bigint
FROM pg_catalog.pg_proc AS function
WHERE function.oid = to_regproc('forwarder.max_image_bytes')
