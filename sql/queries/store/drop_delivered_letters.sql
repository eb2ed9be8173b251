-- Drops dead letters that were delivered. One that was refused again since it was read has had an attempt more, and stays, also if
-- somebody has asked for it once more meanwhile. In order of seq, as set_aside.sql says.
--   $1 the sink, $2 the seqs, $3 how many attempts each had when it was read
WITH delivered AS (
    SELECT letter.seq
    FROM unnest($2::bigint[], $3::integer[]) AS sent (seq, attempts)
    JOIN forwarder.dead_letter AS letter ON letter.sink = $1 AND letter.seq = sent.seq AND letter.attempts = sent.attempts
    ORDER BY letter.seq
    FOR UPDATE OF letter
)
DELETE FROM forwarder.dead_letter AS letter USING delivered WHERE letter.sink = $1 AND letter.seq = delivered.seq
