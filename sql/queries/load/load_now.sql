-- A snapshot of now, and the time, in microseconds since 2000-01-01 UTC.
SELECT pg_current_snapshot() AS snapshot, now() AS at
