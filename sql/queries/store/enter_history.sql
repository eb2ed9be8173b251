-- The history that the database is in, if another one was known until now: then seqs go on above all that were drawn in that.
--   $1 the cluster's identifier, $2 its timeline
SELECT timeline, shared_to_seq, own_from_seq FROM forwarder.enter_history($1, $2)
