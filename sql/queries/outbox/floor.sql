-- A floor for snapshots taken after this has been committed: no transaction that they count as not yet begun has a seq of at most
-- this. Refused in a transaction that has an id.
SELECT forwarder.read_floor()
