-- Keeps changes as dead letters, and returns the seqs of those that there still are. One that is there already, since it was sent again in
-- vain or is to be, waits for the operator again.
--   $1 the sink; of each change: $2 seq, $3 partition key, $4 bytes of its record, $5 code, $6 reason, $7 which one of its transaction it
--   is, $8 of how many, or null
-- In order of seq, as in whatever else locks letters: so of two that meet, one waits for the other, and neither is undone.
INSERT INTO forwarder.dead_letter (
    sink, seq, txid, at, table_id, relation, op, before, after, fault, tx_index, tx_count,
    partition_key, record_bytes, code, reason
)
SELECT
    $1, refused.seq, change.txid, change.at, change.table_id, change.relation, change.op, change.before, change.after, change.fault,
    refused.tx_index, refused.tx_count, refused.partition_key, refused.record_bytes, refused.code, refused.reason
FROM (
    -- Once, also if it was refused twice since the last save: in its turn, and as a letter.
    SELECT DISTINCT ON (given.seq) given.*
    FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::integer[])
        AS given (seq, partition_key, record_bytes, code, reason, tx_index, tx_count)
    ORDER BY given.seq
) AS refused
CROSS JOIN LATERAL (
    -- The outbox may have dropped what is a letter already. That is found to be one before anything is copied.
    SELECT o.txid, o.at, o.table_id, o.relation, o.op, o.before, o.after, o.fault FROM forwarder.outbox AS o WHERE o.seq = refused.seq
    UNION ALL
    SELECT l.txid, l.at, l.table_id, l.relation, l.op, l.before, l.after, l.fault
    FROM forwarder.dead_letter AS l
    WHERE l.sink = $1 AND l.seq = refused.seq
    LIMIT 1
) AS change
ORDER BY refused.seq
ON CONFLICT (sink, seq) DO UPDATE SET
    partition_key = excluded.partition_key,
    record_bytes = excluded.record_bytes,
    code = excluded.code,
    reason = excluded.reason,
    attempts = dead_letter.attempts + 1,
    set_aside_at = now(),
    retry_at = NULL
RETURNING dead_letter.seq
