-- Stores what a sink has delivered beyond its position, in place of what was stored before.
--   $1 the sink, $2 the epoch of its position, $3 the stamp of the history, $4 what forwarder/outbox/delivered_ahead.py makes of it
INSERT INTO forwarder.ahead (sink, epoch, history_stamp, content, sink_created_at)
SELECT name, $2, $3, $4, created_at FROM forwarder.sink WHERE name = $1
ON CONFLICT (sink) DO UPDATE
SET
    epoch = excluded.epoch,
    history_stamp = excluded.history_stamp,
    content = excluded.content,
    sink_created_at = excluded.sink_created_at
