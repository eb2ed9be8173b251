-- The lowest seq of the changes that a position does not see; null if there is none.
--   $1 S1, $2 floor_seq of S1, $3 S2, $4 floor_seq of S2, $5 the seq up to which the batch is delivered; $3 to $5 are null if no batch is under
--   way
SELECT min(found.seq)
FROM (
    -- 1. Changes of transactions that were running in S1 or in S2.
    SELECT first.seq
    FROM (SELECT pg_snapshot_xip($1) UNION SELECT pg_snapshot_xip($3)) AS running (txid)
    CROSS JOIN LATERAL (
        SELECT o.seq
        FROM forwarder.outbox AS o
        WHERE o.txid = running.txid
          AND NOT forwarder.sees($1, $2, o.txid, o.seq)
          AND (o.seq <= $5 AND forwarder.sees($3, $4, o.txid, o.seq)) IS NOT TRUE
        ORDER BY o.txid, o.seq
        LIMIT 1
    ) AS first
    UNION ALL
    -- 2. Changes after what is delivered of the batch.
    (
        SELECT o.seq
        FROM forwarder.outbox AS o
        WHERE o.txid >= pg_snapshot_xmax($1) AND o.seq > greatest($2, $5)
        ORDER BY o.seq
        LIMIT 1
    )
    UNION ALL
    -- 3. Changes with lower seqs that are no part of the batch, since S2 counts their transactions as not yet begun.
    (
        SELECT o.seq
        FROM forwarder.outbox AS o
        WHERE o.txid >= pg_snapshot_xmax($3) AND o.seq > greatest($2, $4) AND o.seq <= $5
        ORDER BY o.seq
        LIMIT 1
    )
) AS found
