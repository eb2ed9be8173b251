-- Moves a replay on.
--   $1 the sink, $2 its next seq, $3 how many changes more are sent again, $4 whether some are missing
UPDATE forwarder.replay SET next_seq = $2, changes = changes + $3, is_short = is_short OR $4 WHERE sink = $1
