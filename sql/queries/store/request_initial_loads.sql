-- Asks for the first load of those of these tables that are captured, have not had one for this sink, and have no other under way. Returns the ids of
-- those that have had one, or get one now.
--   $1 the sink, $2 the ids of the tables
WITH asked AS (
    INSERT INTO forwarder.load (sink, table_id, is_initial)
    SELECT $1, captured.id, true
    FROM forwarder.captured_table AS captured
    WHERE captured.id = ANY ($2) AND captured.removed_at IS NULL
      -- What is in an outbox of the application was told when it was inserted.
      AND NOT coalesce((captured.options ->> 'outbox')::boolean, false)
      AND NOT EXISTS (SELECT FROM forwarder.load AS known WHERE known.sink = $1 AND known.table_id = captured.id AND known.is_initial)
    ORDER BY captured.id
    ON CONFLICT DO NOTHING
    RETURNING table_id
)
SELECT table_id FROM asked
UNION ALL
SELECT table_id FROM forwarder.load WHERE sink = $1 AND table_id = ANY ($2) AND is_initial
