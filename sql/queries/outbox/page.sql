-- The next page of a large batch: changes that are not visible in S1 and visible in S2, in order of seq.
--   $1 xmax of S1, $2 the transactions running in S1, $3 floor_seq of S1, $4 rows at most, $5 bytes at most (images, context and `extra`),
--   $6 S2, $7 ceiling_seq of S2, $8 the seq of the last change delivered, $9 floor_seq of S2, $10 bytes above which a change's images are left
--   out, and count as this many, $11 whether all images are left out
--   * Returns at least one row unless the batch is done.
--   * Each branch begins at its own place in an index and stops after $4 rows (the first one for each transaction of $2), so the rest of the
--     batch is not read.
--   * Images are measured, which does not fetch them. Those that are left out, or are beyond $5 bytes, are not fetched.
--   * Context and `extra` come with every change. Empty stands for what cannot become UTF-8, where all images are left out, and for a context above
--     64 KiB, which is not fetched and does not count. A context that is empty is null.
SELECT
    seq, txid, at, table_id, relation, op,
    CASE WHEN NOT $11 AND bytes <= $10 THEN before END AS before,
    CASE WHEN NOT $11 AND bytes <= $10 THEN after END AS after,
    fault,
    CASE
        WHEN octet_length(context) = 0 THEN NULL
        WHEN octet_length(context) > 65536 OR $11 AND forwarder.utf8_fault(context) IS NOT NULL THEN ''
        ELSE context
    END AS context,
    CASE WHEN NOT $11 OR forwarder.utf8_fault(extra) IS NULL THEN extra ELSE '' END AS extra,
    coalesce(octet_length(before), 0)::bigint + coalesce(octet_length(after), 0) AS image_bytes
FROM (
    SELECT
        page.*,
        sum(least(bytes, $10)::integer) OVER so_far AS total_bytes,
        row_number() OVER so_far AS number
    FROM (
        SELECT change.*
        FROM unnest($2::xid8[]) AS running (txid)
        CROSS JOIN LATERAL (
            SELECT
                o.seq, o.txid, o.at, o.table_id, o.relation, o.op, o.before, o.after, o.fault, o.context, o.extra,
                coalesce(octet_length(o.before), 0)::bigint + coalesce(octet_length(o.after), 0)
                    + CASE WHEN octet_length(o.context) <= 65536 THEN octet_length(o.context) ELSE 0 END + coalesce(octet_length(o.extra), 0) AS bytes
            FROM forwarder.outbox AS o
            WHERE o.txid = running.txid AND o.seq > $8
            ORDER BY o.txid, o.seq
            LIMIT $4
        ) AS change
        -- Asked once for each transaction: one that is still running, or was rolled back, may have millions of rows, and none is to be looked at.
        WHERE pg_visible_in_snapshot(running.txid, $6) AND pg_xact_status(running.txid) IS DISTINCT FROM 'aborted'
        UNION ALL
        (
            SELECT
                o.seq, o.txid, o.at, o.table_id, o.relation, o.op, o.before, o.after, o.fault, o.context, o.extra,
                coalesce(octet_length(o.before), 0)::bigint + coalesce(octet_length(o.after), 0)
                    + CASE WHEN octet_length(o.context) <= 65536 THEN octet_length(o.context) ELSE 0 END + coalesce(octet_length(o.extra), 0) AS bytes
            FROM forwarder.outbox AS o
            WHERE o.seq > greatest($8::bigint, $3::bigint) AND o.seq <= $7
              AND o.txid >= $1
              AND forwarder.sees($6, $9, o.txid, o.seq)
            ORDER BY o.seq
            LIMIT $4
        )
        ORDER BY seq
        LIMIT $4
    ) AS page
    -- ROWS instead of RANGE, which would look for peers: no two rows have one seq.
    WINDOW so_far AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)
) AS measured
WHERE total_bytes <= $5 OR number = 1
ORDER BY seq
