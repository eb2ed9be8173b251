-- Dead letters that a sink is to be sent again, the oldest first. A row begins with the columns of page.sql, in their order.
--   $1 the sink, $2 the letters, by their seqs, $3 bytes at most (images, context and `extra`), $4 bytes above which a change's images are left
--   out, and count as this many, $5 whether all images are left out
-- Returns the first of these letters that are still there, at least one. Images that are left out, or are beyond $3 bytes, are measured but not
-- fetched. Context and `extra` as in page.sql.
SELECT
    seq, txid, at, table_id, relation, op,
    CASE WHEN NOT $5 AND bytes <= $4 THEN before END AS before,
    CASE WHEN NOT $5 AND bytes <= $4 THEN after END AS after,
    fault,
    CASE
        WHEN octet_length(context) = 0 THEN NULL
        WHEN octet_length(context) > 65536 OR $5 AND forwarder.utf8_fault(context) IS NOT NULL THEN ''
        ELSE context
    END AS context,
    CASE WHEN NOT $5 OR forwarder.utf8_fault(extra) IS NULL THEN extra ELSE '' END AS extra,
    coalesce(octet_length(before), 0)::bigint + coalesce(octet_length(after), 0) AS image_bytes,
    tx_index, tx_count, attempts
FROM (
    SELECT
        letter.*,
        sum(least(letter.bytes, $4)::integer) OVER so_far AS total_bytes,
        row_number() OVER so_far AS number
    FROM (
        SELECT
            dead_letter.*,
            coalesce(octet_length(before), 0)::bigint + coalesce(octet_length(after), 0)
                + CASE WHEN octet_length(context) <= 65536 THEN octet_length(context) ELSE 0 END + coalesce(octet_length(extra), 0) AS bytes
        FROM forwarder.dead_letter
        WHERE sink = $1 AND seq = ANY ($2::bigint[])
    ) AS letter
    WINDOW so_far AS (ORDER BY letter.seq ROWS UNBOUNDED PRECEDING)
) AS measured
WHERE total_bytes <= $3 OR number = 1
ORDER BY seq
