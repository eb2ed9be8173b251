-- Whether an epoch of a sink's leader is the present one, and whether a load runs.
--   $1 the sink, $2 the epoch; $3 the number of the load
SELECT
    EXISTS (SELECT FROM forwarder.sink WHERE name = $1 AND epoch = $2 AND xmin = saved_txid::xid) AS leads,
    EXISTS (SELECT FROM forwarder.load WHERE number = $3 AND state = 'running' AND xmin = saved_txid::xid) AS is_changed
