-- The epoch of a sink's position; null if the sink is gone, or its row is not as it was saved: restored from a dump, say.
SELECT epoch FROM forwarder.sink WHERE name = $1 AND xmin = saved_txid::xid
