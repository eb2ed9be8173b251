-- The next changes that a replay looks at, of whatever table, without their images: whether each was delivered when the replay began, whether it is
-- to be sent again, and if so how many bytes its images, context and `extra` have.
--   $1 the sink, $2 the seq to begin with, $3 changes at most
SELECT
    change.seq,
    change.txid,
    change.is_delivered,
    change.is_delivered AND change.table_id = ANY (change.table_ids) AS is_chosen,
    CASE
        WHEN change.is_delivered AND change.table_id = ANY (change.table_ids)
        THEN coalesce(octet_length(change.before), 0)::bigint + coalesce(octet_length(change.after), 0)
            + coalesce(octet_length(change.context), 0) + coalesce(octet_length(change.extra), 0)
    END AS bytes
FROM (
    SELECT
        found.*,
        replay.table_ids,
        forwarder.sees(replay.delivered, replay.floor_seq, found.txid, found.seq)
            OR coalesce(
                found.seq <= replay.batch_last_seq
                    AND forwarder.sees(replay.batch, replay.batch_floor_seq, found.txid, found.seq),
                false)
            AS is_delivered
    FROM forwarder.replay AS replay
    CROSS JOIN LATERAL (
        SELECT o.seq, o.txid, o.table_id, o.before, o.after, o.context, o.extra
        FROM forwarder.outbox AS o
        WHERE o.seq >= $2 AND o.seq <= replay.last_seq
        ORDER BY o.seq
        LIMIT $3
    ) AS found
    WHERE replay.sink = $1
) AS change
ORDER BY change.seq
