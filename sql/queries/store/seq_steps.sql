-- How seqs have risen: how many a leaf of the outbox takes, and the seqs at which a new history began, far above the last one's.
SELECT forwarder.leaf_events() AS leaf_events, ARRAY(SELECT own_from_seq FROM forwarder.history) AS jumps
