-- No leaf has an index on `replaces` any more: since 0026_lives.sql nobody looks for a change by it, and each change paid for it, 2 to 7 % of what the
-- trigger costs.
--   * Not in the transaction of that migration: a writer that waits here for a leaf, in the middle of a statement, would begin it with the old
--     forwarder.capture() and go on with the new one, which does not know what the old one has captured.

-- Takes the index from a leaf that has one. It is called, by the name of what it did before, where a leaf is empty and locked
-- (forwarder.reclaim, forwarder.lay_out), where 0010_versions.sql gave it one.
CREATE OR REPLACE FUNCTION forwarder.index_states(leaf regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    index regclass;
BEGIN
    FOR index IN
        SELECT indexrelid FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid JOIN pg_am AS method ON method.oid = class.relam
        WHERE indrelid = leaf AND amname = 'hash'
    LOOP
        EXECUTE format('DROP INDEX %s', index);
    END LOOP;
END
$$;

-- The leaves that nobody writes to right now lose it at once, the others when they are emptied. Writers wait for no longer than this does.
DO $$
DECLARE
    leaf regclass;
BEGIN
    SET LOCAL lock_timeout = '20ms';
    FOR leaf IN SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = 'forwarder.outbox'::regclass LOOP
        BEGIN
            PERFORM forwarder.index_states(leaf);
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
END
$$;
