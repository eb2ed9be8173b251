-- Which of these images are told as changes of transactions that were running when a load began.
--   $1 the transactions, $2 forwarder.captured_table.id, $3 the images
SELECT DISTINCT change.after
FROM forwarder.outbox AS change
WHERE change.txid = ANY ($1::xid8[]) AND change.table_id = $2 AND change.after = ANY ($3::text[])
