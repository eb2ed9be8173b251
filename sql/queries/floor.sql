-- A floor for snapshots taken from now on: no transaction that they count as not yet begun has a lower seq. The sequence is
-- read first, and then this transaction is given its id, so a later snapshot's xmax is above that id: what such a snapshot
-- counts as not yet begun got its id, and then its seqs, after the reading. (Saving a position yields one by the same rule.)
WITH floor AS MATERIALIZED (
    SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END AS seq FROM forwarder.outbox_seq
)
SELECT floor.seq, pg_current_xact_id() FROM floor
