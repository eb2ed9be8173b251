-- How many bytes the images of one change may have; null where the schema is missing, or older than this limit. The number is read from the text
-- of the function that returns it, so that this works with any schema.
SELECT substring(function.prosrc FROM '\d+')::bigint
FROM pg_catalog.pg_proc AS function
WHERE function.oid = to_regproc('forwarder.max_image_bytes')
