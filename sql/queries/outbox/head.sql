-- Where the writers are: how many seqs a leaf takes, the last seq drawn, and how many seconds old the first change is that was written to the leaf
-- in use on this lap of the ring (null: none was).
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
