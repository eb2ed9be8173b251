-- Truncates a leaf ($1) if all in it is delivered to every sink and older than $2 seconds; whether it did, or null if somebody
-- uses the leaf at this moment.
SELECT forwarder.reclaim($1::text::regclass, $2)
