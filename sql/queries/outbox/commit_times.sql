-- When transactions were committed: a row for each of which the server knows that. It forgets the oldest ones when it freezes their rows.
--   $1 their ids
--   * `since`: what was captured before that may be of another cluster, which a dump was taken of. The ids of its transactions are those of others
--     here.
--   * The function is given the last 32 bits of an id. So it can only be asked about the last 2^31 transactions.
SELECT committed.txid, committed.at AS committed_at, entered.since
FROM (
    SELECT
        named.txid,
        CASE WHEN latest.txid - named.txid::text::bigint BETWEEN 1 AND 2147483647 THEN pg_xact_commit_timestamp(named.txid::xid) END AS at
    FROM unnest($1::xid8[]) AS named (txid)
    CROSS JOIN (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS txid) AS latest
) AS committed
CROSS JOIN (
    SELECT coalesce(max(history.noticed_at), '-infinity') AS since
    FROM forwarder.history AS history
    WHERE NOT EXISTS (
        SELECT FROM forwarder.history AS before
        WHERE before.number = history.number - 1 AND before.system_identifier = history.system_identifier
    )
) AS entered
WHERE committed.at IS NOT NULL
