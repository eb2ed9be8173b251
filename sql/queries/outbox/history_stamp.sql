-- The number of the newest row of forwarder.history, and the transaction that wrote it: a restore from a dump writes the same row by another one.
-- Null: there is no history.
SELECT (SELECT number || '/' || xmin::text FROM forwarder.history ORDER BY number DESC LIMIT 1)
