-- Tables and partitions whose changes, or whose TRUNCATE alone, are not captured, and why; where that is new, or is over, it is put into
-- the outbox as a gap.
SELECT schema_name, table_name, flaw FROM forwarder.watch_triggers()
