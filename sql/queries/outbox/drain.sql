-- Every change that is not visible in S1 and visible now, in one statement: its own snapshot is S2.
--   $1 xmax of S1, $2 the transactions running in S1, $3 floor_seq of S1, $4 rows at most, $5 bytes at most (images, context and `extra`), $6 bytes
--   above which a change's images are left out, and count as this many, $7 whether all images are left out
--   * The first row, op H, is a header: its `after` has S2, whether the batch is complete, what history_stamp.sql returns, and for each table or
--     partition that was written a stamp, which is another one when it was renamed. A batch above $4 or $5 is not complete: the header comes alone,
--     and the batch is to be read by page.sql.
--   * Two branches of `found` walk the index on (txid, seq): one over the transactions of $2, one from $1 on. Each stops after $4 rows (the
--     first one for each transaction), however large the batch is.
--   * Neither branch looks at transactions of which no row is visible, since one may have written millions: those of $2 that are still running or
--     were rolled back, and those from the present xmax on.
--   * All images are measured, which does not fetch them. Only those that are returned are fetched.
--   * Context and `extra` come with every change. Empty stands for what cannot become UTF-8, where all images are left out, and for a context above
--     64 KiB, which is not fetched and does not count. A context that is empty is null.
WITH found AS MATERIALIZED (
    SELECT change.*
    FROM unnest($2::xid8[]) AS running (txid)
    CROSS JOIN LATERAL (
        SELECT
            o.seq, o.txid, o.at, o.table_id, o.relation, o.op, o.before, o.after, o.fault, o.context, o.extra,
            coalesce(octet_length(o.before), 0)::bigint + coalesce(octet_length(o.after), 0)
                + CASE WHEN octet_length(o.context) <= 65536 THEN octet_length(o.context) ELSE 0 END + coalesce(octet_length(o.extra), 0) AS bytes
        FROM forwarder.outbox AS o
        WHERE o.txid = running.txid
        ORDER BY o.txid, o.seq
        LIMIT $4 + 1
    ) AS change
    WHERE
        pg_visible_in_snapshot(running.txid, pg_current_snapshot())
        AND pg_xact_status(running.txid) IS DISTINCT FROM 'aborted'
    UNION ALL
    (
        SELECT
            o.seq, o.txid, o.at, o.table_id, o.relation, o.op, o.before, o.after, o.fault, o.context, o.extra,
            coalesce(octet_length(o.before), 0)::bigint + coalesce(octet_length(o.after), 0)
                + CASE WHEN octet_length(o.context) <= 65536 THEN octet_length(o.context) ELSE 0 END + coalesce(octet_length(o.extra), 0) AS bytes
        FROM forwarder.outbox AS o
        WHERE o.txid >= $1 AND o.txid < pg_snapshot_xmax(pg_current_snapshot()) AND o.seq > $3
        ORDER BY o.txid, o.seq
        LIMIT $4 + 1
    )
),
size AS MATERIALIZED (
    SELECT count(*) <= $4 AND coalesce(sum(least(bytes, $6)::integer), 0) <= $5 AS fits FROM found
)
SELECT
    0::bigint AS seq, NULL::xid8 AS txid, NULL::timestamptz AS at, NULL::integer AS table_id, NULL::oid AS relation,
    'H'::"char" AS op, NULL::text AS before,
    json_build_object(
        'snapshot', pg_current_snapshot()::text,
        'complete', size.fits,
        'history_stamp', (SELECT number || '/' || xmin::text FROM forwarder.history ORDER BY number DESC LIMIT 1),
        -- The versions of the catalog's rows. Each is a look-up by index, however many tables there are.
        'stamps', (
            SELECT coalesce(json_agg(json_build_array(
                written.table_id,
                written.relation::bigint,
                concat_ws(
                    ' ',
                    (
                        SELECT class.xmin::text || '/' || namespace.xmin::text
                        FROM pg_catalog.pg_class AS class
                        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
                        WHERE class.oid = written.relation
                    ),
                    (
                        SELECT class.xmin::text || '/' || namespace.xmin::text
                        FROM forwarder.captured_table AS captured
                        JOIN pg_catalog.pg_class AS class ON class.oid = captured.relation
                        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
                        WHERE captured.id = written.table_id
                    ))
            )), '[]')
            FROM (SELECT DISTINCT found.table_id, found.relation FROM found) AS written
            WHERE size.fits
        )
    )::text AS after,
    NULL::text AS fault, NULL::text AS context, NULL::text AS extra, NULL::bigint AS image_bytes
FROM size
UNION ALL
SELECT
    seq, txid, at, table_id, relation, op,
    CASE WHEN NOT $7 AND bytes <= $6 THEN before END,
    CASE WHEN NOT $7 AND bytes <= $6 THEN after END,
    fault,
    CASE
        WHEN octet_length(context) = 0 THEN NULL
        WHEN octet_length(context) > 65536 OR $7 AND forwarder.utf8_fault(context) IS NOT NULL THEN ''
        ELSE context
    END,
    CASE WHEN NOT $7 OR forwarder.utf8_fault(extra) IS NULL THEN extra ELSE '' END,
    coalesce(octet_length(before), 0)::bigint + coalesce(octet_length(after), 0)
FROM found
WHERE (SELECT fits FROM size)
ORDER BY seq
