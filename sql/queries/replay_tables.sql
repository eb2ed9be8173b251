-- Has the changes of some tables from a seq on sent again, as far as they are delivered: as dead letters that are to be retried.
--   $1 the sink, $2 the seq, $3 the ids of the tables
WITH chosen AS (
    SELECT sink.name, change.*
    FROM forwarder.sink AS sink
    JOIN forwarder.outbox AS change
        ON change.seq >= $2 AND change.table_id = ANY ($3) AND pg_visible_in_snapshot(change.txid, sink.delivered)
    WHERE sink.name = $1
),
-- Counted once for each transaction, however many of its changes are sent.
place AS (
    SELECT
        sibling.seq,
        row_number() OVER (PARTITION BY sibling.txid ORDER BY sibling.seq) AS index,
        count(*) OVER (PARTITION BY sibling.txid) AS count
    FROM forwarder.outbox AS sibling
    WHERE sibling.txid = ANY (ARRAY(SELECT DISTINCT chosen.txid FROM chosen))
)
INSERT INTO forwarder.dead_letter (
    sink, seq, txid, at, table_id, relation, op, before, after, fault, tx_index, tx_count,
    partition_key, record_bytes, code, reason, retry_at
)
SELECT
    change.name, change.seq, change.txid, change.at, change.table_id, change.relation, change.op, change.before, change.after,
    change.fault, place.index, place.count, '', 0, 'replay', 'sent again by forwarder replay', now()
FROM chosen AS change
JOIN place ON place.seq = change.seq
ON CONFLICT (sink, seq) DO UPDATE SET retry_at = now()
