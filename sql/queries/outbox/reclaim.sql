-- Truncates a leaf ($1) if everything in it is delivered to every sink and older than $2 seconds. Returns whether it did; null if somebody has the
-- leaf locked at this moment.
SELECT forwarder.reclaim($1::text::regclass, $2)
