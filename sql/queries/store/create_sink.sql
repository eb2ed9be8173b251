-- Creates a sink, unless it is known. Its position sees no transaction, so it begins with the oldest retained change; or it sees all that is visible
-- now, so it begins with what is committed later.
--   $1 its name, $2 'oldest' or 'now', null: 'now' if there is a sink that was created before $4, else 'oldest', $3 a floor for a snapshot of
--   now, $4 since when sinks count as new
-- An earlier release that has removed a sink of this name has left its statistics.
WITH tallies AS (DELETE FROM forwarder.tally WHERE sink = $1),
statistics AS (DELETE FROM forwarder.table_statistics WHERE sink = $1)
INSERT INTO forwarder.sink (name, system_identifier, database_oid, saved_txid, delivered, floor_seq, last_seq)
SELECT
    $1,
    control.system_identifier,
    (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),
    pg_current_xact_id(),
    CASE WHEN start.is_now THEN pg_current_snapshot() ELSE '1:1:' END,
    CASE WHEN start.is_now THEN $3::bigint ELSE 0 END,
    CASE WHEN start.is_now THEN $3::bigint ELSE 0 END
FROM
    pg_catalog.pg_control_system() AS control,
    LATERAL (
        SELECT coalesce($2::text = 'now', EXISTS (SELECT FROM forwarder.sink WHERE created_at < $4)) AS is_now
    ) AS start
ON CONFLICT (name) DO NOTHING
