-- What the leader before has delivered beyond the position, which is from now on this leader's to keep; none if another history has begun,
-- the position was set back since, or it was another sink of this name.
--   $1 the sink, $2 the epoch that has begun with this leader, $3 the stamp of the history
UPDATE forwarder.ahead
SET epoch = $2
FROM forwarder.sink AS sink
WHERE ahead.sink = $1 AND ahead.epoch = $2 - 1 AND ahead.history_stamp = $3
  AND sink.name = ahead.sink AND sink.created_at = ahead.sink_created_at
RETURNING ahead.content
