-- Draws $1 seqs and throws them away. A setval could set the sequence back if writers drew in between; nextval never does.
SELECT count(nextval('forwarder.outbox_seq')) FROM generate_series(1, $1::bigint)
