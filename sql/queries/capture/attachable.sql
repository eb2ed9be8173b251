-- The tables that could be captured and are not, partitioned ones first. Locks none.
--   * Not what is registered as captured and has lost its triggers: whoever took them may want it so, and forwarder.watch_triggers() tells of it. Nor what
--     was captured and is not any more: that is what `forwarder migrate --remove` was asked for.
SELECT
    class.oid::bigint AS relation,
    forwarder.legible(namespace.nspname::text) AS schema,
    forwarder.legible(class.relname::text) AS name,
    class.relkind = 'p' AS is_partitioned,
    ARRAY(
        SELECT ancestor.relid::oid::bigint FROM pg_partition_ancestors(class.oid) AS ancestor WHERE ancestor.relid <> class.oid
    ) AS ancestors
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind IN ('r', 'p') AND class.relpersistence <> 't'
  AND namespace.nspname <> ALL ('{forwarder,information_schema}')
  AND namespace.nspname !~ '^pg_'
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_trigger AS trigger
      WHERE trigger.tgrelid = class.oid AND trigger.tgfoid IN (
          to_regproc('forwarder.capture'), to_regproc('forwarder.capture_by_rules'), to_regproc('forwarder.capture_in_statement'))
  )
  AND NOT EXISTS (
      SELECT FROM forwarder.captured_table AS captured
      WHERE captured.relation = class.oid
        AND (captured.schema_name, captured.table_name) = (namespace.nspname, class.relname)
  )
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS dependency
      WHERE dependency.classid = 'pg_catalog.pg_class'::regclass AND dependency.objid = class.oid AND dependency.deptype = 'e'
  )
ORDER BY class.relkind <> 'p', namespace.nspname, class.relname
