-- A floor for snapshots that are taken after this was committed: no transaction that they count as not yet begun has a change with a seq of at
-- most this. An error in a transaction that has written something.
SELECT forwarder.read_floor()
