-- Dead letters by table, in order of seq: those whose stream could not be written to, and those that are to be sent again. A sink with a stream for each
-- table sends them stream by stream, and must not walk over the letters of other tables for that: there may be millions.
CREATE INDEX dead_letter_stranded_idx ON forwarder.dead_letter (sink, table_id, seq) WHERE code = 'no-stream';
CREATE INDEX dead_letter_due_idx ON forwarder.dead_letter (sink, table_id, seq) WHERE retry_at IS NOT NULL;
