-- Stores changes as dead letters. Returns the seqs of those that it found, in the outbox or among the letters. One that is a letter already, since it
-- was sent again in vain, or is to be sent again, waits for the operator once more.
--   $1 the sink; of each change: $2 seq, $3 partition key, $4 bytes of its record, $5 code, $6 reason, $7 which one of its transaction it
--   is, $8 of how many, or null
-- What was no letter before, or one of `forwarder replay --table`, is counted as an error. All parts of a statement see the letters as they were
-- before it.
-- All statements that lock letters do so in order of seq: then of two that meet, one waits for the other, and there is no deadlock.
WITH kept AS (
    INSERT INTO forwarder.dead_letter (
        sink, seq, txid, at, table_id, relation, op, before, after, fault, context, extra, tx_index, tx_count,
        partition_key, record_bytes, code, reason
    )
    SELECT
        $1, refused.seq, change.txid, change.at, change.table_id, change.relation, change.op, change.before, change.after, change.fault,
        change.context, change.extra, refused.tx_index, refused.tx_count, refused.partition_key, refused.record_bytes, refused.code, refused.reason
    FROM (
        -- Each change once, even if it was refused twice since the last save: in its turn, and as a letter that was sent again.
        SELECT DISTINCT ON (given.seq) given.*
        FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::integer[])
            AS given (seq, partition_key, record_bytes, code, reason, tx_index, tx_count)
        ORDER BY given.seq
    ) AS refused
    CROSS JOIN LATERAL (
        -- A change that is a letter already may be gone from the outbox. The conflict is found before its images are copied.
        SELECT o.txid, o.at, o.table_id, o.relation, o.op, o.before, o.after, o.fault, o.context, o.extra
        FROM forwarder.outbox AS o WHERE o.seq = refused.seq
        UNION ALL
        SELECT l.txid, l.at, l.table_id, l.relation, l.op, l.before, l.after, l.fault, l.context, l.extra
        FROM forwarder.dead_letter AS l
        WHERE l.sink = $1 AND l.seq = refused.seq
        LIMIT 1
    ) AS change
    ORDER BY refused.seq
    ON CONFLICT (sink, seq) DO UPDATE SET
        partition_key = excluded.partition_key,
        record_bytes = excluded.record_bytes,
        code = excluded.code,
        reason = excluded.reason,
        attempts = dead_letter.attempts + 1,
        set_aside_at = now(),
        retry_at = NULL
    RETURNING dead_letter.seq, dead_letter.table_id
),
counted AS (
    INSERT INTO forwarder.tally (sink, table_id, errors)
    SELECT $1, kept.table_id, count(*)
    FROM kept
    LEFT JOIN forwarder.dead_letter AS before ON before.sink = $1 AND before.seq = kept.seq
    WHERE before.seq IS NULL OR before.code = 'replay'
    GROUP BY kept.table_id
)
SELECT seq FROM kept
