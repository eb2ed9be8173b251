-- Which of these images are in changes that the outbox has of a table, each of its transaction; their numbers, from 1.
--   $1 transactions, $2 images, one for each of $1, $3 forwarder.captured_table.id
SELECT listed.number
FROM unnest($1::xid8[], $2::text[]) WITH ORDINALITY AS listed (txid, image, number)
WHERE EXISTS (
    SELECT FROM forwarder.outbox AS change
    WHERE change.txid = listed.txid AND change.table_id = $3 AND change.after = listed.image
)
