-- A part of a transaction's changes: those after $3, $4 at most. How many they are, how many of them have a seq up to $2, and the last seq.
--   $1 the transaction, $2 the seq up to which changes count as earlier, $3 the seq after which to begin, $4 changes at most
-- Comparing rows, and sorting by both columns, leaves the planner only the index on both.
SELECT count(*) AS total, count(*) FILTER (WHERE change.seq <= $2) AS earlier, max(change.seq) AS last_seq
FROM (
    SELECT o.seq
    FROM forwarder.outbox AS o
    WHERE (o.txid, o.seq) > ($1::xid8, $3::bigint) AND o.txid <= $1
    ORDER BY o.txid, o.seq
    LIMIT $4
) AS change
