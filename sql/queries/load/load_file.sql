-- The file in which a table without a key is, and whether that may be another one than at the beginning of a load.
--   * `blocks`: how many it has now. What was there at the beginning is in these.
--   * `class_maker`, `type_maker`: xmin of the rows that the catalog has of the table and of its type. The first changes when the table is altered or
--     emptied, the second hardly ever.
--   $1 the table's oid
SELECT
    pg_relation_filenode(class.oid)::bigint AS file,
    pg_relation_size(class.oid) / current_setting('block_size')::bigint AS blocks,
    class.xmin AS class_maker,
    type.xmin AS type_maker
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_type AS type ON type.oid = class.reltype
WHERE class.oid = $1
