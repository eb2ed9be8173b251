-- How many seqs a leaf of the outbox takes; null where there is no outbox. Needs no function of ours, so it works with a schema that is
-- older than this program.
SELECT 1::bigint << substring(pg_get_partkeydef(to_regclass('forwarder.outbox')) FROM '>> (\d+)')::integer
