-- When a table was captured by itself (null: by `forwarder migrate`), when a sink began, how many changes of the table it has set aside, and the
-- numbers of the loads that were of some of its rows alone.
--   $1 the id of the table, $2 the sink (null: none that is known)
SELECT
    CASE WHEN captured.is_attached THEN captured.installed_at END AS attached_at,
    (SELECT sink.created_at FROM forwarder.sink AS sink WHERE sink.name = $2) AS sink_created_at,
    (SELECT count(*) FROM forwarder.dead_letter AS letter WHERE letter.sink = $2 AND letter.table_id = captured.id) AS dead_letters,
    ARRAY(
        SELECT load.number
        FROM forwarder.load AS load
        WHERE load.table_id = captured.id
          AND (load.part ->> 'where' IS NOT NULL OR load.part ->> 'limit' IS NOT NULL OR load.part ->> 'order_by' LIKE '%>=%')
    ) AS partial_loads
FROM forwarder.captured_table AS captured
WHERE captured.id = $1
