-- For each of these transactions that made more than one change: how many in all, and how many of them up to a seq.
--   $1 the transactions, $2 the seq, $3 how many changes to look at: if there are more, the counts mean nothing
SELECT change.txid, count(*) AS total, count(*) FILTER (WHERE change.seq <= $2) AS earlier
FROM (SELECT o.txid, o.seq FROM forwarder.outbox AS o WHERE o.txid = ANY ($1::xid8[]) LIMIT $3) AS change
GROUP BY change.txid
HAVING count(*) > 1
