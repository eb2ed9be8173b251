-- What is known of how a table came to be captured, and of what its records cannot tell.
--   $1 the id of the table, $2 the sink (null: none that is known)
SELECT
    captured.installed_at,
    (SELECT sink.created_at FROM forwarder.sink AS sink WHERE sink.name = $2) AS sink_created_at,
    (SELECT count(*) FROM forwarder.dead_letter AS letter WHERE letter.sink = $2 AND letter.table_id = captured.id) AS dead_letters
FROM forwarder.captured_table AS captured
WHERE captured.id = $1
