-- The retained change with the lowest seq from $1 on: its seq, and its time as text and in seconds since 1970.
--   $1 the seq
SELECT seq, at::text AS at, extract(epoch FROM at)::float8 AS at_seconds
FROM forwarder.outbox
WHERE seq >= $1
ORDER BY seq
LIMIT 1
