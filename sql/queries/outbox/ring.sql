-- Rings the doorbell, so that a listener finds out whether notifications reach it.
SELECT pg_notify('forwarder', '')
