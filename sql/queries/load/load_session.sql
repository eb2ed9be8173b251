-- Sets what the reader of a load relies on beside session.sql.

-- Images are made by our own session, and have to be as the trigger makes them whatever it is set up like: see forwarder.images().
SET timezone = 'GMT';
SET DateStyle = 'ISO, YMD';
SET bytea_output = 'hex';
SET extra_float_digits = 1;
SET intervalstyle = 'postgres';
SET lc_monetary = 'C';

-- A key's index is walked, whatever the statistics say: a sort would read all of the table for each chunk.
SET enable_sort = off;
-- While we wait for the lock of a table, whoever wants it for themselves waits behind us.
SET lock_timeout = '500ms';
-- A portion of a chunk takes some milliseconds.
SET statement_timeout = '10s';
-- The bytes of the images that a chunk has so far. Each chunk counts them in its own transaction, from this value on.
SET forwarder.load_bytes = '0';
