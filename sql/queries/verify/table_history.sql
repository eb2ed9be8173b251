-- When a table was captured by itself (null: by `forwarder migrate`), when a sink began, and how many changes of the table it has set aside.
--   $1 the id of the table, $2 the sink (null: none that is known)
SELECT
    CASE WHEN captured.is_attached THEN captured.installed_at END AS attached_at,
    (SELECT sink.created_at FROM forwarder.sink AS sink WHERE sink.name = $2) AS sink_created_at,
    (SELECT count(*) FROM forwarder.dead_letter AS letter WHERE letter.sink = $2 AND letter.table_id = captured.id) AS dead_letters
FROM forwarder.captured_table AS captured
WHERE captured.id = $1
