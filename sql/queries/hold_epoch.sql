-- The epoch of a sink's position, which nobody can end before this transaction does; null if the sink is gone.
--   $1 the sink
SELECT epoch FROM forwarder.sink WHERE name = $1 FOR SHARE
