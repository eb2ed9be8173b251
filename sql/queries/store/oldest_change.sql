-- The oldest retained change from a seq on: its seq, and its time in text and in seconds since the epoch.
--   $1 the seq
SELECT seq, at::text AS at, extract(epoch FROM at)::float8 AS at_seconds
FROM forwarder.outbox
WHERE seq >= $1
ORDER BY seq
LIMIT 1
