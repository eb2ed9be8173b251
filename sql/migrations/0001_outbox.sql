-- The registry of captured tables, the outbox, and each sink's position in it.

-- One row for every table that has, or once had, our triggers. The triggers carry the id as an argument, so that a row of
-- the outbox names its table in four bytes and survives a rename. A table whose triggers were removed keeps its row: the
-- outbox may still hold its changes.
CREATE TABLE forwarder.captured_table (
    id           integer GENERATED ALWAYS AS IDENTITY,
    relation     oid         NOT NULL,
    schema_name  text        NOT NULL,
    table_name   text        NOT NULL,
    -- For each primary key column, in key order: its attribute number, and every name it was ever seen under (the newest
    -- first), since an event captured before a rename carries the old name.
    key_columns  jsonb       NOT NULL DEFAULT '[]',
    before_image text        NOT NULL DEFAULT 'full',
    installed_at timestamptz NOT NULL DEFAULT now(),
    removed_at   timestamptz,
    CONSTRAINT captured_table_pkey PRIMARY KEY (id),
    CONSTRAINT captured_table_before_image_check CHECK (before_image IN ('full', 'none'))
);
CREATE UNIQUE INDEX captured_table_relation_key ON forwarder.captured_table (relation) WHERE removed_at IS NULL;

-- CACHE 1 is load-bearing: a value is drawn while the changed row is locked, so that for one row the order of seq is the
-- order of commits. A cached block of values, taken earlier by the session, would break that.
CREATE SEQUENCE forwarder.outbox_seq AS bigint CACHE 1;

-- Writers walk through the eight leaves, 2^18 events each, as seq rises. Rows are never updated and never deleted; a leaf
-- whose rows are all delivered is truncated as a whole, so vacuum has nothing to do here.
CREATE TABLE forwarder.outbox (
    -- Before seq, since defaults are evaluated in this order and the cursor's floor relies on it: a transaction has its id
    -- before it draws its first seq.
    txid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
    seq      bigint      NOT NULL DEFAULT nextval('forwarder.outbox_seq'),
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    table_id integer     NOT NULL,
    -- The table that was written: a leaf, where the captured table is partitioned.
    relation oid         NOT NULL,
    -- I(nsert), U(pdate), D(elete), T(runcate)
    op       "char"      NOT NULL,
    -- Row images: JSON as the server wrote it. As text, its length is known without fetching it from TOAST.
    before   text,
    after    text,
    -- SQLSTATE of the error that kept a row from being turned into JSON; both images are null then.
    fault    text
) PARTITION BY LIST (((seq >> 18) & 7));

DO $$
BEGIN
    FOR leaf IN 0..7 LOOP
        EXECUTE format(
            'CREATE TABLE forwarder.outbox_%1$s PARTITION OF forwarder.outbox (
                 CONSTRAINT outbox_%1$s_pkey PRIMARY KEY (seq)
             ) FOR VALUES IN (%1$s) WITH (autovacuum_vacuum_insert_threshold = -1)', leaf);
        EXECUTE format('CREATE INDEX outbox_%1$s_txid_idx ON forwarder.outbox_%1$s (txid, seq)', leaf);
    END LOOP;
END
$$;

-- A sink's position: the snapshot all of whose changes are delivered and, inside a large batch, how far the batch got.
-- See docs/architecture.md for what the columns promise. One narrow row, updated a few times a second: no index but the
-- key and room on the page keep every update a HOT update.
CREATE TABLE forwarder.sink (
    name              text        NOT NULL,
    system_identifier bigint      NOT NULL,
    delivered         pg_snapshot NOT NULL,
    floor_seq         bigint      NOT NULL,
    batch             pg_snapshot,
    batch_floor_seq   bigint,
    batch_ceiling_seq bigint,
    batch_last_seq    bigint,
    batch_by_seq      boolean,
    last_seq          bigint      NOT NULL,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sink_pkey PRIMARY KEY (name),
    CONSTRAINT sink_batch_check CHECK (num_nulls(batch, batch_floor_seq, batch_ceiling_seq, batch_last_seq, batch_by_seq) IN (0, 5))
) WITH (fillfactor = 20);
