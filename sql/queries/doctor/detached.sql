-- What was a partition of a captured table, is none any more, and is not captured by itself: its changes are not captured.
SELECT DISTINCT format('%I.%I', namespace.nspname, class.relname) AS quoted
FROM forwarder.watched_trigger AS watched
JOIN forwarder.captured_table AS captured ON captured.id = watched.table_id AND captured.removed_at IS NULL
JOIN pg_catalog.pg_class AS class ON class.oid = watched.relation AND NOT class.relispartition
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE watched.relation <> captured.relation
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_trigger AS trigger
      WHERE trigger.tgrelid = class.oid AND trigger.tgname = '00_forwarder_capture'
  )
ORDER BY 1
