-- As epoch.sql; and nobody can begin another epoch before this transaction ends.
--   $1 the sink
SELECT epoch FROM forwarder.sink WHERE name = $1 AND xmin = saved_txid::xid FOR SHARE
