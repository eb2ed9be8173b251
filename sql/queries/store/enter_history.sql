-- Enters another history, if the database was promoted, restored or copied since it was asked last: seqs then go on above all that were drawn before.
-- Returns that history; no row if it is the same as before, or the first.
--   $1 the cluster's identifier, $2 its timeline
SELECT timeline, shared_to_seq, own_from_seq FROM forwarder.enter_history($1, $2)
