-- A floor for snapshots taken from now on: no transaction that they count as not yet begun has a lower seq. The sequence is
-- read first, and then this transaction is given its id, so a later snapshot's xmax is above that id: what such a snapshot
-- counts as not yet begun got its id, and then its seqs, after the reading. (Saving a position yields one by the same rule.)
-- The sequence is asked by the function, which takes the lock that nextval holds: while nextval writes WAL, every 32 values, its row
-- shows a value that is drawn only 32 values later.
WITH floor AS MATERIALIZED (
    SELECT coalesce(pg_sequence_last_value('forwarder.outbox_seq'), 0) AS seq
)
SELECT floor.seq, pg_current_xact_id() FROM floor
