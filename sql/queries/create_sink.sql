-- A new sink begins before every transaction, so with the oldest retained change. Does nothing to a sink that is known.
INSERT INTO forwarder.sink (name, system_identifier, delivered, floor_seq, last_seq)
SELECT $1, system_identifier, '1:1:', 0, 0 FROM pg_catalog.pg_control_system()
ON CONFLICT (name) DO NOTHING
