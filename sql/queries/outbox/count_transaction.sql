-- Of one transaction's changes after a seq: how many there are, how many of them up to another seq, and the last one's.
--   $1 the transaction, $2 the other seq, $3 the seq, $4 changes to look at at most
-- Comparing rows, and sorting by both columns, leaves the planner only the index on both.
SELECT count(*) AS total, count(*) FILTER (WHERE change.seq <= $2) AS earlier, max(change.seq) AS last_seq
FROM (
    SELECT o.seq
    FROM forwarder.outbox AS o
    WHERE (o.txid, o.seq) > ($1::xid8, $3::bigint) AND o.txid <= $1
    ORDER BY o.txid, o.seq
    LIMIT $4
) AS change
