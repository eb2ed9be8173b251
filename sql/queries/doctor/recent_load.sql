-- How much was captured lately: of the last $1 changes those of the last $2 seconds, the bytes of their images, and how old the oldest of them is.
-- Walks the index of seq, from its end.
SELECT
    count(*) AS changes,
    coalesce(sum(coalesce(octet_length(recent.before), 0) + coalesce(octet_length(recent.after), 0)), 0)::bigint AS bytes,
    coalesce(extract(epoch FROM clock_timestamp() - min(recent.at)), 0)::double precision AS oldest_seconds
FROM (
    SELECT change.at, change.before, change.after
    FROM forwarder.outbox AS change
    ORDER BY change.seq DESC
    LIMIT $1
) AS recent
WHERE recent.at > clock_timestamp() - make_interval(secs => $2)
