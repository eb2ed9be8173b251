-- Deletes dead letters that were delivered. One that was refused again since it was read has one attempt more, and stays, even if somebody has asked
-- for it to be sent again meanwhile. Locks them in order of seq, for the reason in set_aside.sql. Those of `forwarder replay --table` are counted: the
-- sink was told them again. The others were counted when the position passed over them.
--   $1 the sink, $2 the seqs, $3 how many attempts each had when it was read
WITH delivered AS (
    SELECT letter.seq
    FROM unnest($2::bigint[], $3::integer[]) AS sent (seq, attempts)
    JOIN forwarder.dead_letter AS letter ON letter.sink = $1 AND letter.seq = sent.seq AND letter.attempts = sent.attempts
    ORDER BY letter.seq
    FOR UPDATE OF letter
),
dropped AS (
    DELETE FROM forwarder.dead_letter AS letter USING delivered WHERE letter.sink = $1 AND letter.seq = delivered.seq
    RETURNING
        letter.table_id, letter.op, letter.code, letter.at,
        coalesce(octet_length(letter.before), 0)::bigint + coalesce(octet_length(letter.after), 0) AS bytes
)
INSERT INTO forwarder.tally (
    sink, table_id, inserts, updates, deletes, truncates, schema_changes, others, bytes, last_change_at, delivered_at
)
SELECT
    $1,
    table_id,
    count(*) FILTER (WHERE op = 'I'),
    count(*) FILTER (WHERE op = 'U'),
    count(*) FILTER (WHERE op = 'D'),
    count(*) FILTER (WHERE op = 'T'),
    count(*) FILTER (WHERE op = 'S'),
    count(*) FILTER (WHERE op IN ('G', 'E')),
    sum(bytes),
    max(at),
    now()
FROM dropped
WHERE code = 'replay'
GROUP BY table_id
