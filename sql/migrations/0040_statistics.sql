-- Table statistics: what each sink was told of each table, counted with its position.

-- What was counted and is not added up yet. Whatever moves a sink on writes its counts here, in the same statement: a save of its position, a step of
-- a load, a letter that is stored, a letter of `forwarder replay --table` that is delivered. So each is counted once, whenever a process dies.
--   * It is appended to. Rows of totals that are updated many times a second would have thousands of dead versions each while a transaction of
--     somebody's holds vacuum back, and every update would walk over them. The leader of a sink adds up every few seconds (add_up.sql).
CREATE TABLE forwarder.tally (
    sink           text    NOT NULL,
    -- A leader adds up what is above the last number that it has added up before, and need not walk over what is deleted.
    number         bigint  GENERATED ALWAYS AS IDENTITY,
    -- Numbers are drawn for a second time where tables were copied without their sequences. No save may fail then.
    txid           xid8    NOT NULL DEFAULT pg_current_xact_id(),
    -- forwarder.captured_table.id.
    table_id       integer NOT NULL,
    inserts        bigint  NOT NULL DEFAULT 0,
    updates        bigint  NOT NULL DEFAULT 0,
    deletes        bigint  NOT NULL DEFAULT 0,
    truncates      bigint  NOT NULL DEFAULT 0,
    -- Rows that a load has read.
    reads          bigint  NOT NULL DEFAULT 0,
    schema_changes bigint  NOT NULL DEFAULT 0,
    -- Gaps, and events of forwarder.emit().
    others         bigint  NOT NULL DEFAULT 0,
    -- Of the images of all these.
    bytes          bigint  NOT NULL DEFAULT 0,
    -- Changes that became dead letters.
    errors         bigint  NOT NULL DEFAULT 0,
    -- When the last of the changes was committed, or captured where that is not known; null: there was none.
    last_change_at timestamptz,
    -- When this was counted; null: only errors were.
    delivered_at   timestamptz,
    CONSTRAINT tally_pkey PRIMARY KEY (sink, number, txid)
-- Most rows are deleted seconds after they were written.
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The totals of a sink and a table, without what is in forwarder.tally.
CREATE TABLE forwarder.table_statistics (
    sink              text    NOT NULL,
    table_id          integer NOT NULL,
    inserts           bigint  NOT NULL,
    updates           bigint  NOT NULL,
    deletes           bigint  NOT NULL,
    truncates         bigint  NOT NULL,
    reads             bigint  NOT NULL,
    schema_changes    bigint  NOT NULL,
    others            bigint  NOT NULL,
    bytes             bigint  NOT NULL,
    errors            bigint  NOT NULL,
    last_change_at    timestamptz,
    last_delivered_at timestamptz,
    CONSTRAINT table_statistics_pkey PRIMARY KEY (sink, table_id)
-- Room for the next version of each row on its page.
) WITH (fillfactor = 50);
