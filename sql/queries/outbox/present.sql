-- The cluster's identifier, a snapshot of now, a seq that no change visible in that snapshot exceeds, and what history_stamp.sql returns.
SELECT
    control.system_identifier,
    pg_current_snapshot() AS snapshot,
    (SELECT last_value FROM forwarder.outbox_seq) AS last_seq,
    (SELECT number || '/' || xmin::text FROM forwarder.history ORDER BY number DESC LIMIT 1) AS history_stamp
FROM pg_catalog.pg_control_system() AS control
