-- What there is to know of changes whose images were left out when they were read, since they are large, or since an image of their page cannot
-- become UTF-8:
--   1. of an image that cannot become UTF-8, the fault;
--   2. of a large change, the length of each image in UTF-8;
--   3. of all others, the images.
-- Parameters: $1 seqs, $2 the sink whose dead letters they are, or null if they are in the outbox, $3 bytes above which a change is large
--   * `moved` is the other key, where an update of the key was captured as a delete and an insert: a delete has it in place of a new row, an insert
--     in place of an old one.
--   * `head` is the beginning of the image that the key is read from.
--   * Large images cost next to nothing in a database in UTF-8: their lengths and beginnings are known without decompressing them.
SELECT
    change.seq,
    CASE WHEN NOT change.is_large AND fault.before IS NULL THEN change.before END AS before,
    CASE WHEN NOT change.is_large AND fault.after IS NULL THEN change.after END AS after,
    coalesce(fault.before, fault.after) AS fault,
    change.is_large,
    CASE
        WHEN fault.before IS NOT NULL THEN NULL
        WHEN change.is_utf8 THEN octet_length(change.before)
        ELSE octet_length(convert_to(change.before, 'UTF8'))
    END AS before_bytes,
    CASE
        WHEN fault.after IS NOT NULL THEN NULL
        WHEN change.is_utf8 THEN octet_length(change.after)
        ELSE octet_length(convert_to(change.after, 'UTF8'))
    END AS after_bytes,
    CASE WHEN forwarder.utf8_fault(change.head) IS NULL THEN change.head END AS head,
    CASE WHEN forwarder.utf8_fault(change.moved) IS NULL THEN change.moved END AS moved
FROM (
    SELECT
        stored.*,
        left(coalesce(stored.after, stored.before), 1000) AS head,
        getdatabaseencoding() = 'UTF8' AS is_utf8,
        coalesce(octet_length(stored.before), 0)::bigint + coalesce(octet_length(stored.after), 0) + stored.rest > $3 AS is_large
    FROM (
        SELECT
            found.seq,
            CASE WHEN found.op <> 'I' THEN found.before END AS before,
            CASE WHEN found.op <> 'D' THEN found.after END AS after,
            CASE found.op WHEN 'D' THEN found.after WHEN 'I' THEN found.before END AS moved,
            CASE WHEN octet_length(found.context) <= 65536 THEN octet_length(found.context) ELSE 0 END + coalesce(octet_length(found.extra), 0) AS rest
        FROM (
            SELECT o.seq, o.op, o.before, o.after, o.context, o.extra
            FROM forwarder.outbox AS o
            WHERE $2::text IS NULL AND o.seq = ANY ($1::bigint[])
            UNION ALL
            SELECT letter.seq, letter.op, letter.before, letter.after, letter.context, letter.extra
            FROM forwarder.dead_letter AS letter
            WHERE letter.sink = $2 AND letter.seq = ANY ($1)
        ) AS found
    ) AS stored
) AS change
-- OFFSET 0 keeps the planner from calling the function more than once for an image.
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN NOT (change.is_utf8 AND change.is_large) THEN forwarder.utf8_fault(change.before) END AS before,
        CASE WHEN NOT (change.is_utf8 AND change.is_large) THEN forwarder.utf8_fault(change.after) END AS after
    OFFSET 0
) AS fault
