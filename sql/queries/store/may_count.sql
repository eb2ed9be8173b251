-- Raises an error if we have no right to write counts, as each save of a position does. Else that would be found out when changes are delivered, and
-- they would be delivered again and again.
--   $1 the sink
INSERT INTO forwarder.tally (sink, table_id) SELECT $1, 0 WHERE false
