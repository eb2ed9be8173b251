-- The epoch of a sink's position; null if the sink is gone.
SELECT epoch FROM forwarder.sink WHERE name = $1
