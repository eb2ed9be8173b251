-- The epoch of a sink's position; no row if the sink is gone, or if its row was written by somebody else: by a restore, say.
SELECT epoch FROM forwarder.sink WHERE name = $1 AND xmin = saved_txid::xid
