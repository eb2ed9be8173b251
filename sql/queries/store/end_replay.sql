-- Forgets a replay that is done, unless another one was begun for the sink since.
--   $1 the sink, $2 when it began
DELETE FROM forwarder.replay WHERE sink = $1 AND begun_at = $2::text::timestamptz
