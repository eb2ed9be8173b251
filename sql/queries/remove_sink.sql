-- Forgets a sink, its position and its dead letters.
--   $1 its name
WITH letters AS (DELETE FROM forwarder.dead_letter WHERE sink = $1)
DELETE FROM forwarder.sink WHERE name = $1
