-- Rings the listener's own doorbell.
SELECT pg_notify('forwarder', '')
