-- What `forwarder migrate` calls to keep the registry and the triggers.

-- Registers a table, or corrects its row, and returns the id.
CREATE FUNCTION forwarder.register(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    captured_id integer := registered_id;
BEGIN
    -- After a restore, the row of another table may bear the oid that this table has now.
    UPDATE forwarder.captured_table
    SET removed_at = now()
    WHERE relation = target AND removed_at IS NULL AND id IS DISTINCT FROM registered_id;

    IF captured_id IS NULL THEN
        INSERT INTO forwarder.captured_table (relation, schema_name, table_name)
        VALUES (target, '', '')
        RETURNING id INTO captured_id;
    END IF;
    UPDATE forwarder.captured_table AS captured
    SET
        relation = class.oid,
        schema_name = namespace.nspname,
        table_name = class.relname,
        key_columns = register.key_columns,
        before_image = register.before_image,
        removed_at = NULL
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid = target AND captured.id = captured_id;
    RETURN captured_id;
END
$$;

-- Marks a table as captured no longer. Its row stays: the outbox may hold its changes.
CREATE FUNCTION forwarder.forget(registered_id integer) RETURNS void
LANGUAGE sql
AS $$
    UPDATE forwarder.captured_table SET removed_at = now() WHERE id = registered_id
$$;

-- Puts our triggers on a table, or corrects them, and registers it.
--   * CREATE OR REPLACE: a trigger that is already there is exchanged in place, so that no change slips through between a drop
--     and a create. Readers pass its lock, writers do not; the caller sets a short lock_timeout.
--   * Triggers of one event fire in the order of their names. Ours come first ("00"): if a trigger of the application changes
--     the row again, that later change must be given the later seq.
--   * A row trigger of a partitioned table reaches its partitions by itself, also those attached later. A statement trigger
--     does not, so each leaf is given its own for a TRUNCATE that names it alone.
CREATE FUNCTION forwarder.install(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
-- So that a regclass is written with its schema.
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id integer := forwarder.register(target, before_image, key_columns, registered_id);
    wanted record;
    fires_always boolean;
BEGIN
    FOR wanted IN
        SELECT target AS relation, '00_forwarder_capture' AS name, 'INSERT OR UPDATE OR DELETE' AS events, 'ROW' AS level
        UNION ALL
        SELECT class.oid::regclass, '00_forwarder_truncate', 'TRUNCATE', 'STATEMENT'
        FROM pg_class AS class
        WHERE class.oid = target
           OR class.relkind = 'r' AND class.oid IN (SELECT tree.relid FROM pg_partition_tree(target) AS tree)
    LOOP
        SELECT tgenabled = 'A' INTO fires_always
        FROM pg_trigger WHERE tgrelid = wanted.relation AND tgname = wanted.name;
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER %I AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION forwarder.capture(%L, %L)',
            wanted.name, wanted.events, wanted.relation, wanted.level, captured_id, before_image);
        -- Replacing resets what somebody chose so that changes applied by replication are captured too.
        IF fires_always THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', wanted.relation, wanted.name);
        END IF;
    END LOOP;
    RETURN captured_id;
END
$$;
