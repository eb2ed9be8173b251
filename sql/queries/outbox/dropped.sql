-- The highest id of a transaction of which a change was dropped from the outbox; 0 if nothing ever was.
SELECT txid FROM forwarder.dropped
