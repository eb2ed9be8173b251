-- What tells the newest row of forwarder.history from the same row restored: the transaction that wrote it. Null: there is no history.
SELECT (SELECT number || '/' || xmin::text FROM forwarder.history ORDER BY number DESC LIMIT 1)
