-- Forgets a sink and its position. Its dead letters are gone by then, or few.
--   $1 its name
WITH letters AS (DELETE FROM forwarder.dead_letter WHERE sink = $1),
ahead AS (DELETE FROM forwarder.ahead WHERE sink = $1)
DELETE FROM forwarder.sink WHERE name = $1
