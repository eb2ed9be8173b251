-- How many changes a sink has not delivered yet, dead letters included; where no sink has ever run, all of them. A sink's
-- snapshots mean nothing in another cluster than its own; then the last seq that it delivered must do.
SELECT count(*) + (SELECT count(*) FROM forwarder.dead_letter)
FROM forwarder.outbox AS change
WHERE NOT EXISTS (SELECT FROM forwarder.sink)
   OR EXISTS (
       SELECT
       FROM forwarder.sink AS sink, pg_catalog.pg_control_system() AS control
       WHERE CASE
           WHEN sink.system_identifier <> control.system_identifier THEN change.seq > sink.last_seq
           ELSE NOT (
               pg_visible_in_snapshot(change.txid, sink.delivered)
               OR sink.batch IS NOT NULL
                   AND pg_visible_in_snapshot(change.txid, sink.batch)
                   AND change.seq <= sink.batch_last_seq
           )
       END
   )
