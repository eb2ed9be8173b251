-- How many values of seq a leaf of the outbox takes; null where there is no outbox. Needs no function of ours, so it can be asked of
-- a schema that is older than this program.
SELECT 1::bigint << substring(pg_get_partkeydef(to_regclass('forwarder.outbox')) FROM '>> (\d+)')::integer
