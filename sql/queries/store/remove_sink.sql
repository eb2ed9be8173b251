-- Deletes a sink with its position, its loads and its statistics. Most of its dead letters were deleted before; here go those that came in between.
--   $1 its name
WITH letters AS (DELETE FROM forwarder.dead_letter WHERE sink = $1),
ahead AS (DELETE FROM forwarder.ahead WHERE sink = $1),
loads AS (DELETE FROM forwarder.load WHERE sink = $1),
tallies AS (DELETE FROM forwarder.tally WHERE sink = $1),
statistics AS (DELETE FROM forwarder.table_statistics WHERE sink = $1)
DELETE FROM forwarder.sink WHERE name = $1
