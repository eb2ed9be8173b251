-- Keeps changes as dead letters. One that is there already, since it was sent again in vain, waits for the operator again.
--   $1 the sink; of each change: $2 seq, $3 partition key, $4 bytes of its record, $5 code, $6 reason, $7 which one of its transaction it
--   is, $8 of how many, or null
WITH refused AS (
    SELECT * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::integer[])
        AS refused (seq, partition_key, record_bytes, code, reason, tx_index, tx_count)
),
again AS (
    UPDATE forwarder.dead_letter AS letter
    SET
        partition_key = refused.partition_key,
        record_bytes = refused.record_bytes,
        code = refused.code,
        reason = refused.reason,
        attempts = letter.attempts + 1,
        set_aside_at = now(),
        retry_at = NULL
    FROM refused
    WHERE letter.sink = $1 AND letter.seq = refused.seq
    RETURNING letter.seq
)
INSERT INTO forwarder.dead_letter (
    sink, seq, txid, at, table_id, relation, op, before, after, fault, tx_index, tx_count,
    partition_key, record_bytes, code, reason
)
SELECT
    $1, change.seq, change.txid, change.at, change.table_id, change.relation, change.op, change.before, change.after, change.fault,
    refused.tx_index, refused.tx_count, refused.partition_key, refused.record_bytes, refused.code, refused.reason
FROM refused
JOIN forwarder.outbox AS change ON change.seq = refused.seq
WHERE refused.seq NOT IN (SELECT seq FROM again)
