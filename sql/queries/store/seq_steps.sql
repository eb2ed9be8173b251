-- How many seqs a leaf of the outbox takes, and the first seq of each history: seqs between two histories were never drawn.
SELECT forwarder.leaf_events() AS leaf_events, ARRAY(SELECT own_from_seq FROM forwarder.history) AS jumps
