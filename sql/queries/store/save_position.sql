-- Stores a position, and what was counted of the changes that it passes over, if the sink's epoch is still $11. Returns a floor for snapshots that
-- are taken after this was committed; no row if it did not store the position.
--   * It has to be the first statement of its transaction that writes anything, or read_floor raises an error. `floor` is materialized, so that it
--     is read before the update begins.
--   * xmin is the transaction that wrote the row. If it is not saved_txid, the row may have come with a dump, and have the epoch that the sink had
--     when the dump was taken.
--   * If the sequence is below a floor that was read of it, it has been set back, and seqs up to the floor will be drawn once more.
-- Parameters: $1 the sink; $2 S1, $3 its floor_seq; $4 S2, $5 its floor_seq, $6 its ceiling_seq, $7 the last seq delivered of the batch, $8 how far
-- large transactions are numbered; $9 the highest seq delivered; $10 the cluster, if the position was adopted from another one; $11 the epoch;
-- $12 a JSON array with an object for each table that has a change (forwarder/store/statistics.py); null: there is none
WITH floor AS MATERIALIZED (
    SELECT forwarder.read_floor() AS seq
),
saved AS (
    UPDATE forwarder.sink AS sink
    SET
        delivered = $2,
        floor_seq = $3,
        batch = $4,
        batch_floor_seq = $5,
        batch_ceiling_seq = $6,
        batch_last_seq = $7,
        -- For earlier releases, which tell by it what is from another cluster. This one goes by floor_seq.
        batch_by_seq = CASE WHEN $4::pg_snapshot IS NOT NULL THEN false END,
        batch_numbered = $8,
        last_seq = $9,
        system_identifier = coalesce($10, sink.system_identifier),
        database_oid = CASE
            WHEN $10::bigint IS NULL THEN sink.database_oid
            ELSE (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        END,
        saved_txid = pg_current_xact_id(),
        updated_at = now()
    FROM floor
    WHERE sink.name = $1 AND sink.epoch = $11 AND sink.xmin = sink.saved_txid::xid
      AND floor.seq >= greatest($3::bigint, $5::bigint)
    RETURNING floor.seq
),
counted AS (
    INSERT INTO forwarder.tally (
        sink, table_id, inserts, updates, deletes, truncates, schema_changes, others, bytes, last_change_at, delivered_at
    )
    SELECT
        $1, given.table_id, given.inserts, given.updates, given.deletes, given.truncates, given.schema_changes, given.others, given.bytes,
        '2000-01-01 00:00:00+00'::timestamptz + given.last_change * interval '1 microsecond', now()
    FROM saved
    CROSS JOIN json_to_recordset($12::json) AS given (
        table_id integer, inserts bigint, updates bigint, deletes bigint, truncates bigint, schema_changes bigint, others bigint,
        bytes bigint, last_change bigint
    )
)
SELECT seq FROM saved
