-- Which of these transactions have changed a table, as far as the outbox has their changes still.
--   $1 the transactions, $2 forwarder.captured_table.id
SELECT found.txid
FROM unnest($1::xid8[]) AS found (txid)
WHERE EXISTS (SELECT FROM forwarder.outbox AS change WHERE change.txid = found.txid AND change.table_id = $2)
