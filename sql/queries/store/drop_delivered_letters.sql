-- Deletes dead letters that were delivered. One that was refused again since it was read has one attempt more, and stays, even if somebody has asked
-- for it to be sent again meanwhile. Locks them in order of seq, for the reason in set_aside.sql.
--   $1 the sink, $2 the seqs, $3 how many attempts each had when it was read
WITH delivered AS (
    SELECT letter.seq
    FROM unnest($2::bigint[], $3::integer[]) AS sent (seq, attempts)
    JOIN forwarder.dead_letter AS letter ON letter.sink = $1 AND letter.seq = sent.seq AND letter.attempts = sent.attempts
    ORDER BY letter.seq
    FOR UPDATE OF letter
)
DELETE FROM forwarder.dead_letter AS letter USING delivered WHERE letter.sink = $1 AND letter.seq = delivered.seq
