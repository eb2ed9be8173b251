-- By table the last gap among the last $1 changes: what it is about, and how long ago it was noticed. Those of forwarder.emit() count as a table. Walks the index of seq, from its end.
SELECT DISTINCT ON (1)
    coalesce(forwarder.legible(captured.schema_name || '.' || captured.table_name), 'a table') AS name,
    captured.id = 0 AS is_of_events,
    recent.fault AS what,
    extract(epoch FROM clock_timestamp() - recent.at)::double precision AS seconds
FROM (
    SELECT change.seq, change.at, change.table_id, change.op, change.fault
    FROM forwarder.outbox AS change
    ORDER BY change.seq DESC
    LIMIT $1
) AS recent
LEFT JOIN forwarder.captured_table AS captured ON captured.id = recent.table_id
WHERE recent.op = 'G'
ORDER BY 1, recent.seq DESC
