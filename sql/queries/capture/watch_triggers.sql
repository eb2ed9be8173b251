-- Tables and partitions whose changes, or whose TRUNCATE alone, are not captured, and why. Where that is new, or is over, a gap is put into
-- the outbox.
SELECT schema_name, table_name, flaw FROM forwarder.watch_triggers()
