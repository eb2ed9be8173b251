-- The partitions of captured tables that lack the trigger for TRUNCATE, since they came after that of their table. Locks none.
SELECT class.oid::bigint AS relation, format('%I.%I', namespace.nspname, class.relname) AS name
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN LATERAL (
    SELECT split_part(encode(trigger.tgargs, 'escape'), '\000', 1) AS id
    FROM pg_catalog.pg_trigger AS trigger
    WHERE trigger.tgrelid = class.oid AND trigger.tgparentid <> 0
      AND trigger.tgfoid IN (to_regproc('forwarder.capture'), to_regproc('forwarder.capture_by_rules'))
    LIMIT 1
) AS inherited ON true
JOIN forwarder.captured_table AS captured ON captured.id::text = inherited.id AND captured.removed_at IS NULL
WHERE class.relkind = 'r' AND class.relispartition
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_trigger AS trigger
      WHERE trigger.tgrelid = class.oid AND trigger.tgfoid = to_regproc('forwarder.capture_truncate')
  )
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_trigger AS trigger
      WHERE trigger.tgrelid = class.oid AND trigger.tgname = '00_forwarder_truncate' AND trigger.tgfoid = to_regproc('forwarder.capture')
  )
  -- The options may leave TRUNCATE out.
  AND EXISTS (
      SELECT FROM pg_catalog.pg_trigger AS trigger
      WHERE trigger.tgrelid = captured.relation AND trigger.tgfoid = to_regproc('forwarder.capture_truncate')
  )
ORDER BY class.oid
