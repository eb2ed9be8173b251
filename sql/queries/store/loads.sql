-- Loads by their numbers, in their order, each as a JSON object: forwarder.store.loads.Load says what is in it.
--   $1 the numbers
SELECT json_build_object(
    'number', load.number,
    'sink', load.sink,
    'table_id', load.table_id,
    'schema', captured.schema_name,
    'name', captured.table_name,
    'part', load.part::text,
    'state', load.state,
    'begun', CASE
        WHEN load.begun IS NOT NULL
        THEN json_build_array(
            pg_snapshot_xmin(load.begun)::text::bigint,
            pg_snapshot_xmax(load.begun)::text::bigint,
            ARRAY(SELECT running::text::bigint FROM pg_snapshot_xip(load.begun) AS running ORDER BY 1))
    END,
    'place', load.place::text,
    'rows', load.rows,
    'bytes', load.bytes,
    'estimated_rows', load.estimated_rows,
    'error', load.error,
    'requested_at', load.requested_at,
    'started_at', load.started_at,
    'updated_at', load.updated_at,
    'finished_at', load.finished_at
)::text
FROM forwarder.load AS load
JOIN forwarder.captured_table AS captured ON captured.id = load.table_id
WHERE load.number = ANY ($1::bigint[])
ORDER BY load.number
