-- Makes changes dead letters that are to be sent again. In order of seq, for the reason in set_aside.sql.
--   $1 the sink; of each change: $2 seq, $3 which one of its transaction it is, $4 of how many, or null
INSERT INTO forwarder.dead_letter (
    sink, seq, txid, at, table_id, relation, op, before, after, fault, context, extra, tx_index, tx_count,
    partition_key, record_bytes, code, reason, retry_at
)
SELECT
    $1, change.seq, change.txid, change.at, change.table_id, change.relation, change.op, change.before, change.after, change.fault,
    change.context, change.extra, place.tx_index, place.tx_count, '',
    coalesce(octet_length(change.before), 0)::bigint + coalesce(octet_length(change.after), 0)
        + coalesce(octet_length(change.context), 0) + coalesce(octet_length(change.extra), 0),
    'replay', 'sent again by forwarder replay', now()
FROM unnest($2::bigint[], $3::integer[], $4::integer[]) AS place (seq, tx_index, tx_count)
JOIN forwarder.outbox AS change ON change.seq = place.seq
ORDER BY place.seq
ON CONFLICT (sink, seq) DO UPDATE SET retry_at = now()
