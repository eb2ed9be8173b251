-- Deletes dead letters. Locks them in order of seq, for the reason in set_aside.sql.
--   $1 sinks and $2 seqs, pair by pair
WITH chosen AS (
    SELECT letter.sink, letter.seq
    FROM unnest($1::text[], $2::bigint[]) AS named (sink, seq)
    JOIN forwarder.dead_letter AS letter ON letter.sink = named.sink AND letter.seq = named.seq
    ORDER BY letter.sink, letter.seq
    FOR UPDATE OF letter
)
DELETE FROM forwarder.dead_letter AS letter USING chosen WHERE letter.sink = chosen.sink AND letter.seq = chosen.seq
