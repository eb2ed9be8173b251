-- As count_transactions.sql, for transactions that are given as runs of ids without a gap.
--   $1 and $2 the first and the last id of each run, $3 the seq, $4 how many changes to look at: if there are more, the counts mean nothing
SELECT change.txid, count(*) AS total, count(*) FILTER (WHERE change.seq <= $3) AS earlier
FROM (
    SELECT o.txid, o.seq
    FROM unnest($1::xid8[], $2::xid8[]) AS run (first, last)
    CROSS JOIN LATERAL (
        SELECT outbox.txid, outbox.seq FROM forwarder.outbox WHERE outbox.txid BETWEEN run.first AND run.last
    ) AS o
    LIMIT $4
) AS change
GROUP BY change.txid
HAVING count(*) > 1
