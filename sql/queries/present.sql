-- Which cluster this is, a snapshot of its present, and a seq that no change visible in it exceeds.
SELECT
    control.system_identifier,
    pg_current_snapshot() AS snapshot,
    (SELECT last_value FROM forwarder.outbox_seq) AS last_seq
FROM pg_catalog.pg_control_system() AS control
