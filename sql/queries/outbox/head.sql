-- Where the writers are: the size of a leaf, the last seq drawn, and for how many seconds the leaf in use has held a change of
-- this lap (null: it holds none).
WITH head AS (
    SELECT
        forwarder.leaf_events() AS leaf_events,
        CASE WHEN is_called THEN last_value ELSE 0 END AS last_seq
    FROM forwarder.outbox_seq
)
SELECT
    head.leaf_events,
    head.last_seq,
    (
        SELECT extract(epoch FROM clock_timestamp() - change.at)::double precision
        FROM forwarder.outbox AS change
        WHERE change.seq >= head.last_seq - head.last_seq % head.leaf_events
        ORDER BY change.seq
        LIMIT 1
    ) AS open_seconds
FROM head
