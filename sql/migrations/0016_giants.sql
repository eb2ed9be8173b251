-- Dead letters of very large transactions, of which only the last change says how many there are: a letter says what its record said.
ALTER TABLE forwarder.dead_letter ALTER COLUMN tx_count DROP NOT NULL;
