-- The names that ids begin with, the newest first. A change has the first name whose `after_seq` is below its seq.
SELECT after_seq, name FROM forwarder.origins()
