-- Stores rows that a load has read as dead letters of a sink, and counts them as errors. No outbox has them, so each gets a seq of its own.
--   $1 the sink; of each row: $2 its table's id, $3 name of its partition, or null, $4 when it was read, in microseconds since 2000-01-01 UTC, $5 its
--   image, $6 fault, $7 `extra`, $8 partition key, $9 bytes of its record, $10 code, $11 reason, $12 its op: R, or L for the load's beginning or end
WITH kept AS (
    INSERT INTO forwarder.dead_letter (
        sink, seq, txid, at, table_id, relation, op, after, fault, extra, tx_index, tx_count, partition_key, record_bytes, code, reason
    )
    SELECT
        $1, nextval('forwarder.outbox_seq'), '0', '2000-01-01 00:00:00+00'::timestamptz + row.at * interval '1 microsecond',
        row.table_id, coalesce(leaf.oid, captured.relation), row.op::"char", row.after, row.fault, row.extra, 0, NULL,
        row.partition_key, row.record_bytes, row.code, row.reason
    FROM unnest(
        $2::integer[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[]
    ) AS row (table_id, partition, at, after, fault, extra, partition_key, record_bytes, code, reason, op)
    JOIN forwarder.captured_table AS captured ON captured.id = row.table_id
    LEFT JOIN (pg_catalog.pg_class AS leaf JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = leaf.relnamespace)
        ON leaf.relname = row.partition AND namespace.nspname = captured.schema_name
    RETURNING table_id
)
INSERT INTO forwarder.tally (sink, table_id, errors)
SELECT $1, table_id, count(*) FROM kept GROUP BY table_id
