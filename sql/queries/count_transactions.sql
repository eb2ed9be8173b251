-- Those of these transactions that made more than one change: how many in all, and how many of them up to a seq.
--   $1 the transactions, $2 the seq
SELECT o.txid, count(*) AS total, count(*) FILTER (WHERE o.seq <= $2) AS earlier
FROM forwarder.outbox AS o
WHERE o.txid = ANY ($1::xid8[])
GROUP BY o.txid
HAVING count(*) > 1
