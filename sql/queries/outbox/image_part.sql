-- A part of an image, as bytes of UTF-8; no row if the change is gone. The server decompresses the whole image for each part, in 0.1 s for 60 MB:
-- so ask for few and large parts.
--   $1 seq, $2 the sink whose dead letter it is, or null if it is in the outbox, $3 whether it is the image of the old row, $4 the first byte,
--   counted from 0, $5 bytes at most
SELECT substring(convert_to(CASE WHEN $3 THEN stored.before ELSE stored.after END, 'UTF8') FROM $4 + 1 FOR $5)
FROM (
    SELECT o.before, o.after FROM forwarder.outbox AS o WHERE $2::text IS NULL AND o.seq = $1
    UNION ALL
    SELECT letter.before, letter.after FROM forwarder.dead_letter AS letter WHERE letter.sink = $2 AND letter.seq = $1
) AS stored
