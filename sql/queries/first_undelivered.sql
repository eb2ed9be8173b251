-- The lowest seq of the changes not visible in S1; null if there is none.
--   $1 xmax of S1, $2 the transactions running in S1, $3 floor_seq of S1
SELECT min(found.seq)
FROM (
    SELECT first.seq
    FROM unnest($2::xid8[]) AS running (txid)
    CROSS JOIN LATERAL (
        SELECT o.seq FROM forwarder.outbox AS o WHERE o.txid = running.txid ORDER BY o.txid, o.seq LIMIT 1
    ) AS first
    UNION ALL
    (SELECT o.seq FROM forwarder.outbox AS o WHERE o.txid >= $1 AND o.seq > $3 ORDER BY o.seq LIMIT 1)
) AS found
