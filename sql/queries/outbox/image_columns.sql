-- Some columns of a change's images, each image as a JSON object of these columns alone. The images are decompressed and parsed. No row, if the
-- change is gone.
--   $1 seq, $2 the sink whose dead letter it is, or null if it is in the outbox, $3 the names of the columns
SELECT
    (SELECT json_object_agg(member.key, member.value)::text FROM json_each(stored.before::json) AS member WHERE member.key = ANY ($3::text[])) AS before,
    (SELECT json_object_agg(member.key, member.value)::text FROM json_each(stored.after::json) AS member WHERE member.key = ANY ($3)) AS after
FROM (
    -- An update of the key was captured as a delete and an insert, which have the other one's key in place of the image that each cannot have.
    SELECT CASE WHEN o.op <> 'I' THEN o.before END AS before, CASE WHEN o.op <> 'D' THEN o.after END AS after
    FROM forwarder.outbox AS o
    WHERE $2::text IS NULL AND o.seq = $1
    UNION ALL
    SELECT CASE WHEN letter.op <> 'I' THEN letter.before END, CASE WHEN letter.op <> 'D' THEN letter.after END
    FROM forwarder.dead_letter AS letter
    WHERE letter.sink = $2 AND letter.seq = $1
) AS stored
