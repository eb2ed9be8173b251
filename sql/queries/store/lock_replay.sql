-- Waits for the portion that is under way of a sink's replay, also if the command is gone that sent it. Nobody moves the replay until this
-- transaction ends.
--   $1 the sink
SELECT FROM forwarder.replay WHERE sink = $1 FOR UPDATE
