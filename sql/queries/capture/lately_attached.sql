-- The tables that event triggers have captured since the last look; and the highest id that the registry has by now, on a row without a name.
--   $1 the highest id that it had then; null: no look was taken yet
SELECT id, name
FROM (
    SELECT captured.id, forwarder.legible(format('%I.%I', captured.schema_name, captured.table_name)) AS name
    FROM forwarder.captured_table AS captured
    WHERE captured.id > $1 AND captured.is_attached
    UNION ALL
    SELECT coalesce(max(captured.id), 0), NULL FROM forwarder.captured_table AS captured
) AS found
ORDER BY id, name NULLS LAST
