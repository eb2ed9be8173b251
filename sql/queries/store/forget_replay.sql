-- Forgets a sink's replay, wherever it is: it goes no further from now on.
--   $1 the sink
DELETE FROM forwarder.replay WHERE sink = $1
