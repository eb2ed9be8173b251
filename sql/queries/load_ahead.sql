-- What the leader before has delivered beyond the position, which is from now on this leader's to keep; none if another history has begun,
-- or the position was set back since.
--   $1 the sink, $2 the epoch that has begun with this leader, $3 the stamp of the history
UPDATE forwarder.ahead
SET epoch = $2
WHERE sink = $1 AND epoch = $2 - 1 AND history_stamp = $3
RETURNING content
