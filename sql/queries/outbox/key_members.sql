-- The keys of changes whose images do not begin with them, as forwarder.key_members returns them. Each image is decompressed and parsed.
--   $1 seqs, $2 the sink whose dead letters they are, or null if they are in the outbox
SELECT stored.seq, forwarder.key_members(stored.table_id, CASE WHEN stored.op = 'D' THEN stored.before ELSE coalesce(stored.after, stored.before) END) AS members
FROM (
    SELECT o.seq, o.op, o.table_id, o.before, o.after
    FROM forwarder.outbox AS o
    WHERE $2::text IS NULL AND o.seq = ANY ($1::bigint[])
    UNION ALL
    SELECT letter.seq, letter.op, letter.table_id, letter.before, letter.after
    FROM forwarder.dead_letter AS letter
    WHERE letter.sink = $2 AND letter.seq = ANY ($1)
) AS stored
