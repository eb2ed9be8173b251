-- How far the changes of very large transactions are numbered within the batch under way, so that a restart need not count them:
-- `[seq, [[txid, place], ...]]`, so many changes of each of these transactions have a seq of at most this. True whatever becomes of the
-- batch; null if none is.
ALTER TABLE forwarder.sink ADD COLUMN batch_numbered text;
