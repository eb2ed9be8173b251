-- The names of all sinks that were ever served and are not removed.
SELECT name FROM forwarder.sink ORDER BY name
