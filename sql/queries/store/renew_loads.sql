-- Has unfinished loads begin anew: what they stood on means nothing here.
--   $1 their numbers
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
WHERE number = ANY ($1::bigint[]) AND finished_at IS NULL
