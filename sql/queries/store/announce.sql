-- Writes what a process says of itself, and removes the rows of those that were not seen for a minute. Waits for no disk.
--   $1 its id, $2 host, $3 pid, $4 version, $5 when it started, in seconds since 1970, $6 what it says, as JSON in ASCII
WITH swept AS (
    DELETE FROM forwarder.listener
    WHERE id IN (
        SELECT id FROM forwarder.listener
        WHERE seen_at < clock_timestamp() - interval '60 s' AND id <> $1
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO forwarder.listener AS known (id, host, pid, version, started_at, seen_at, says)
VALUES ($1, $2, $3, $4, to_timestamp($5), clock_timestamp(), $6::text::json)
ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), says = excluded.says
