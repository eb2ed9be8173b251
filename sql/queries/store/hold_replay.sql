-- The next seq of a replay, which nobody else moves until this transaction ends; no row if another replay was begun since, or none is there.
--   $1 the sink, $2 when it began
SELECT next_seq FROM forwarder.replay WHERE sink = $1 AND begun_at = $2::text::timestamptz FOR UPDATE
