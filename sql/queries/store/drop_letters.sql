-- Deletes some of a sink's dead letters, the oldest first. Returns the seq of the last one; null if there was none.
--   $1 the sink, $2 the seq after which to begin, $3 letters at most, $4 bytes at most (but one letter at least)
WITH dropped AS (
    DELETE FROM forwarder.dead_letter
    WHERE sink = $1 AND seq = ANY (ARRAY(
        SELECT measured.seq
        FROM (
            SELECT
                letter.seq,
                sum(letter.bytes) OVER so_far AS total_bytes,
                row_number() OVER so_far AS number
            FROM (
                SELECT
                    seq,
                    coalesce(octet_length(before), 0)::bigint + coalesce(octet_length(after), 0)
                        + coalesce(octet_length(context), 0) + coalesce(octet_length(extra), 0) AS bytes
                FROM forwarder.dead_letter
                WHERE sink = $1 AND seq > $2
                ORDER BY seq
                LIMIT $3
            ) AS letter
            WINDOW so_far AS (ORDER BY letter.seq ROWS UNBOUNDED PRECEDING)
        ) AS measured
        WHERE measured.total_bytes <= $4 OR measured.number = 1
    ))
    RETURNING seq
)
SELECT max(seq) FROM dropped
