-- Some bytes of an image, in UTF-8; no row if the change is gone. The server decompresses the whole image each time: a tenth of a second for
-- 60 MB, so ask for few and large parts.
--   $1 seq, $2 the sink whose dead letter it is, or null if it is in the outbox, $3 whether of the old row, $4 from which byte on,
--   counted from 0, $5 how many at most
SELECT substring(convert_to(CASE WHEN $3 THEN stored.before ELSE stored.after END, 'UTF8') FROM $4 + 1 FOR $5)
FROM (
    SELECT o.before, o.after FROM forwarder.outbox AS o WHERE $2::text IS NULL AND o.seq = $1
    UNION ALL
    SELECT letter.before, letter.after FROM forwarder.dead_letter AS letter WHERE letter.sink = $2 AND letter.seq = $1
) AS stored
