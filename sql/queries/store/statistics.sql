-- What each sink was told of each table that had changes, by sink and name: the totals and what is not added up yet, in one snapshot. Times are in
-- seconds since 1970.
SELECT
    counted.sink,
    captured.id AS table_id,
    forwarder.legible(captured.schema_name) || '.' || forwarder.legible(captured.table_name) AS table,
    sum(counted.inserts)::bigint AS inserts,
    sum(counted.updates)::bigint AS updates,
    sum(counted.deletes)::bigint AS deletes,
    sum(counted.truncates)::bigint AS truncates,
    sum(counted.reads)::bigint AS reads,
    sum(counted.schema_changes)::bigint AS schema_changes,
    sum(counted.others)::bigint AS others,
    sum(counted.bytes)::bigint AS bytes,
    sum(counted.errors)::bigint AS errors,
    extract(epoch FROM max(counted.last_change_at))::double precision AS last_change_at,
    extract(epoch FROM max(counted.last_delivered_at))::double precision AS last_delivered_at
FROM (
    SELECT
        sink, table_id, inserts, updates, deletes, truncates, reads, schema_changes, others, bytes, errors, last_change_at, last_delivered_at
    FROM forwarder.table_statistics
    UNION ALL
    SELECT
        sink, table_id, inserts, updates, deletes, truncates, reads, schema_changes, others, bytes, errors, last_change_at, delivered_at
    FROM forwarder.tally
) AS counted
JOIN forwarder.captured_table AS captured ON captured.id = counted.table_id
GROUP BY counted.sink, captured.id
ORDER BY counted.sink, captured.schema_name, captured.table_name
