-- Loads: which tables are to be read for which sink, row by row as they are, and how far each load has come.

-- The listener that leads the sink moves a load on (forwarder/store/loads.py). `forwarder load` asks for one, pauses, resumes and cancels it.
CREATE TABLE forwarder.load (
    number            bigint      GENERATED ALWAYS AS IDENTITY,
    sink              text        NOT NULL,
    -- forwarder.captured_table.id.
    table_id          integer     NOT NULL,
    -- Whether the settings asked for it, by load = "initial". They do once for a sink and a table.
    is_initial        boolean     NOT NULL DEFAULT false,
    -- What of the table is to be loaded, as forwarder/load/part.py writes it; {}: all of it.
    part              jsonb       NOT NULL DEFAULT '{}',
    state             text        NOT NULL DEFAULT 'waiting',
    -- The snapshot that was taken when the load began; null: it has not begun.
    begun             pg_snapshot,
    -- How far it has come, as forwarder/load/chunk.py writes it: it has the last key that was read. Null: nothing is read yet, or the load has ended.
    place             jsonb,
    -- What was read and delivered so far: rows, and bytes of their images.
    rows              bigint      NOT NULL DEFAULT 0,
    bytes             bigint      NOT NULL DEFAULT 0,
    -- How many rows the planner expected when the load began; null: it could not say.
    estimated_rows    bigint,
    -- Why it has failed, in one line.
    error             text,
    requested_at      timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz,
    -- Where `begun` and `place` mean something: the database, and the transaction that wrote them. A dump that is restored, and CREATE DATABASE …
    -- TEMPLATE, make a row in which one of the two is wrong; see forwarder.sink.
    database_oid      oid,
    saved_txid        xid8,
    CONSTRAINT load_pkey PRIMARY KEY (number),
    CONSTRAINT load_state_check CHECK (state IN ('waiting', 'running', 'paused', 'finished', 'failed', 'cancelled')),
    CONSTRAINT load_finished_at_check CHECK ((finished_at IS NULL) = (state IN ('waiting', 'running', 'paused')))
-- A running load is updated with each chunk: its page has room for the next version of the row.
) WITH (fillfactor = 50);
-- One load of a table at a time for a sink.
CREATE UNIQUE INDEX load_unfinished_key ON forwarder.load (sink, table_id) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX load_initial_key ON forwarder.load (sink, table_id) WHERE is_initial;
CREATE INDEX load_table_idx ON forwarder.load (sink, table_id, number);
-- What a leader looks at every second.
CREATE INDEX load_open_idx ON forwarder.load (sink) WHERE finished_at IS NULL OR state = 'failed';
