-- Locks a sink's replay until this transaction ends. First it waits for a portion that is under way, even if the command that began it was killed.
--   $1 the sink
SELECT FROM forwarder.replay WHERE sink = $1 FOR UPDATE
