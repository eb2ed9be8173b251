-- Takes back that a sink's dead letters are to be sent again whose stream could not be written to. Locks them in order of seq, for the reason in
-- set_aside.sql.
--   $1 the sink, $2 their code
WITH chosen AS (
    SELECT letter.seq
    FROM forwarder.dead_letter AS letter
    WHERE letter.sink = $1 AND letter.code = $2 AND letter.retry_at IS NOT NULL
    ORDER BY letter.seq
    FOR UPDATE
)
UPDATE forwarder.dead_letter AS letter SET retry_at = NULL
FROM chosen
WHERE letter.sink = $1 AND letter.seq = chosen.seq
