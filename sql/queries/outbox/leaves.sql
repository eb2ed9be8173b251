-- The leaves of the outbox in order of their numbers: forwarder.outbox.ring.Leaf says what is in a row.
SELECT
    number,
    name,
    is_empty,
    bytes,
    newest_seq,
    extract(epoch FROM clock_timestamp() - newest_at)::double precision AS newest_age_seconds
FROM forwarder.leaves()
