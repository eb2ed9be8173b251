-- What ids begin with, the newest name first: the first whose `after_seq` is below the seq.
SELECT after_seq, name FROM forwarder.origins()
