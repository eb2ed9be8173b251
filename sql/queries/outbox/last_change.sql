-- The seq of a transaction's last change.
--   $1 the transaction
-- Sorting by both columns leaves the planner only the index on both.
SELECT seq FROM forwarder.outbox WHERE txid >= $1::xid8 AND txid <= $1 ORDER BY txid DESC, seq DESC LIMIT 1
