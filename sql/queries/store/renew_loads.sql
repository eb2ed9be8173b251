-- Has the unfinished loads of some tables begin anew: what they stood on means nothing here. Returns their numbers.
--   $1 the sink, $2 the ids of the tables
UPDATE forwarder.load
SET
    state = CASE state WHEN 'running' THEN 'waiting' ELSE state END,
    begun = NULL,
    place = NULL,
    rows = 0,
    bytes = 0,
    estimated_rows = NULL,
    started_at = NULL,
    updated_at = now()
WHERE sink = $1 AND table_id = ANY ($2) AND finished_at IS NULL
RETURNING number
