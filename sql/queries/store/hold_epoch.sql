-- The epoch of a sink's position, which nobody can end before this transaction does; null if the sink is gone,
-- or its row is not as it was saved.
--   $1 the sink
SELECT epoch FROM forwarder.sink WHERE name = $1 AND xmin = saved_txid::xid FOR SHARE
