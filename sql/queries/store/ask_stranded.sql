-- Asks for a sink's dead letters of some tables to be sent again whose stream could not be written to, the oldest first. Returns the seq of the
-- last one, and how many they are. Locks them in order of seq, for the reason in set_aside.sql.
--   $1 the sink, $2 their code, $3 the tables, by their ids, $4 the seq after which to begin, $5 letters at most
WITH chosen AS (
    SELECT letter.seq
    FROM forwarder.dead_letter AS letter
    WHERE letter.sink = $1 AND letter.code = $2 AND letter.table_id = ANY ($3::integer[]) AND letter.seq > $4
    ORDER BY letter.seq
    LIMIT $5
    FOR UPDATE
), asked AS (
    UPDATE forwarder.dead_letter AS letter SET retry_at = now()
    FROM chosen
    WHERE letter.sink = $1 AND letter.seq = chosen.seq
    RETURNING letter.seq
)
SELECT coalesce(max(seq), $4) AS last_seq, count(*) AS letters FROM asked
