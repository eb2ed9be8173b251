-- Forgets a sink's replay, however far it has come. A process that works on it notices with its next portion.
--   $1 the sink
DELETE FROM forwarder.replay WHERE sink = $1
