-- The columns of captured tables and their types, kept for when they are gone: rows that were captured before a column was renamed or dropped, or before
-- their table was dropped, are delivered with values of the right types all the same.

-- A row for each captured table whose columns `forwarder migrate`, or a listener with a format that depends on types, has looked up. Rows stay: changes of a
-- table that is gone may be replayed for as long as they are retained.
CREATE TABLE forwarder.known_columns (
    -- forwarder.captured_table.id.
    table_id integer NOT NULL,
    -- As sql/queries/capture/columns.sql, which writes it, returns it.
    columns  jsonb   NOT NULL,
    CONSTRAINT known_columns_pkey PRIMARY KEY (table_id)
);
