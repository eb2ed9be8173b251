-- Notes how far a replay has come.
--   $1 the sink, $2 the next seq to look at, $3 how many more changes are sent again, $4 whether some may be missing
UPDATE forwarder.replay SET next_seq = $2, changes = changes + $3, is_short = is_short OR $4 WHERE sink = $1
