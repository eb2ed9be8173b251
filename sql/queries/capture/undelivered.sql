-- How many changes at least one sink has not delivered yet, and how many dead letters there are, in one sum. Where no sink has ever run, all changes
-- count.
WITH standing AS MATERIALIZED (
    SELECT * FROM forwarder.standings()
)
SELECT count(*) + (SELECT count(*) FROM forwarder.dead_letter)
FROM forwarder.outbox AS change
WHERE NOT EXISTS (SELECT FROM forwarder.sink)
   OR EXISTS (
       SELECT
       FROM standing
       WHERE NOT (
           forwarder.sees(standing.delivered, standing.floor_seq, change.txid, change.seq)
           OR standing.batch IS NOT NULL
               AND change.seq <= standing.batch_last_seq
               AND forwarder.sees(standing.batch, standing.batch_floor_seq, change.txid, change.seq)
       )
   )
