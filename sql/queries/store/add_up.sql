-- Adds what was counted for a sink to its totals, the oldest first. Returns how many rows were added up, and the highest number of them; null: none was.
--   $1 the sink, $2 the highest number that this session has added up before, $3 how many rows to add up at most
WITH counted AS (
    DELETE FROM forwarder.tally
    WHERE sink = $1 AND number > $2 AND number <= (
        SELECT max(first.number)
        FROM (SELECT number FROM forwarder.tally WHERE sink = $1 AND number > $2 ORDER BY number LIMIT $3) AS first
    )
    RETURNING tally.*
),
added AS (
    INSERT INTO forwarder.table_statistics AS total (
        sink, table_id, inserts, updates, deletes, truncates, reads, schema_changes, others, bytes, errors, last_change_at, last_delivered_at
    )
    SELECT
        $1, table_id, sum(inserts), sum(updates), sum(deletes), sum(truncates), sum(reads), sum(schema_changes), sum(others), sum(bytes),
        sum(errors), max(last_change_at), max(delivered_at)
    FROM counted
    GROUP BY table_id
    ON CONFLICT (sink, table_id) DO UPDATE SET
        inserts = total.inserts + excluded.inserts,
        updates = total.updates + excluded.updates,
        deletes = total.deletes + excluded.deletes,
        truncates = total.truncates + excluded.truncates,
        reads = total.reads + excluded.reads,
        schema_changes = total.schema_changes + excluded.schema_changes,
        others = total.others + excluded.others,
        bytes = total.bytes + excluded.bytes,
        errors = total.errors + excluded.errors,
        last_change_at = greatest(total.last_change_at, excluded.last_change_at),
        last_delivered_at = greatest(total.last_delivered_at, excluded.last_delivered_at)
)
SELECT count(*) AS rows, max(number) AS last FROM counted
