-- Our triggers are watched: by ALTER TABLE … DISABLE TRIGGER, or by detaching a partition, capture ends without a word.

-- Our triggers as they were seen last. One that was switched off and on again, or dropped and made anew, has another oid or version.
CREATE TABLE forwarder.watched_trigger (
    relation    oid     NOT NULL,
    name        text    NOT NULL,
    table_id    integer NOT NULL,
    -- Null: it is missing.
    trigger_oid oid,
    -- The transaction that wrote its row of pg_trigger last.
    version     xid,
    is_sound    boolean NOT NULL,
    -- The cluster and database in which it was seen: a copy of the database has other triggers, or other versions of them.
    seen_in     text    NOT NULL,
    CONSTRAINT watched_trigger_pkey PRIMARY KEY (relation, name)
);

-- The triggers that captured tables, or one of them, should have, and what is there of them. A table is known again by its oid, if its trigger or its name
-- agrees, else by its name: then it was dropped and created anew, or came with a dump.
CREATE FUNCTION forwarder.expected_triggers(only_table integer DEFAULT NULL) RETURNS TABLE (
    table_id    integer,
    relation    oid,
    is_root     boolean,
    name        text,
    trigger_oid oid,
    version     xid,
    is_sound    boolean
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH root AS (
        SELECT captured.id, class.oid, class.relkind
        FROM forwarder.captured_table AS captured
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN EXISTS (
                    SELECT FROM pg_trigger AS trigger
                    WHERE trigger.tgrelid = captured.relation
                      AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = captured.id::text
                ) THEN captured.relation
                ELSE to_regclass(format('%I.%I', captured.schema_name, captured.table_name))::oid
            END AS relation
        ) AS same
        JOIN pg_class AS class ON class.oid = same.relation
        WHERE captured.removed_at IS NULL AND class.relkind IN ('r', 'p')
          AND (only_table IS NULL OR captured.id = only_table)
    ),
    member AS (
        SELECT id, oid, relkind, true AS is_root FROM root
        UNION ALL
        SELECT root.id, class.oid, class.relkind, false
        FROM root
        CROSS JOIN LATERAL pg_partition_tree(root.oid) AS tree
        JOIN pg_class AS class ON class.oid = tree.relid
        WHERE root.relkind = 'p' AND tree.relid <> root.oid AND class.relkind IN ('r', 'p')
    )
    SELECT DISTINCT ON (member.oid, expected.name)
        member.id,
        member.oid,
        member.is_root,
        expected.name,
        trigger.oid,
        trigger.xmin,
        coalesce(
            trigger.tgenabled IN ('O', 'A') AND trigger.tgqual IS NULL AND cardinality(trigger.tgattr) = 0
            AND trigger.tgtype = expected.type AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = member.id::text, false)
    FROM member
    CROSS JOIN (VALUES ('00_forwarder_capture', 29), ('00_forwarder_truncate', 32)) AS expected (name, type)
    LEFT JOIN pg_trigger AS trigger
        ON trigger.tgrelid = member.oid AND trigger.tgname = expected.name AND trigger.tgfoid = to_regproc('forwarder.capture')
    WHERE expected.type = 29 OR member.is_root OR member.relkind = 'r'
    ORDER BY member.oid, expected.name, member.is_root DESC, member.id
$$;

-- Looks at the triggers of one table, or of all. Where they were not as they should be for a time, a change of kind G(ap) is put into the
-- outbox: `capture interrupted`, if they still are not, or `capture resumed`. Returns what it found by now: for each table or partition why
-- its changes, or its TRUNCATE alone, are not captured.
--   * `after_change`: they were put right just now by whoever calls this, so another version of a sound trigger is no gap.
--   * A partition that comes new has no trigger for TRUNCATE before `forwarder migrate` gives it one; that is no gap, and not kept.
--   * What is no longer a partition stays watched until it is dropped: attached again, it has another trigger.
CREATE FUNCTION forwarder.watch_triggers(only_table integer DEFAULT NULL, after_change boolean DEFAULT false) RETURNS TABLE (
    schema_name text,
    table_name  text,
    flaw        text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    here text := (
        SELECT format('%s/%s', control.system_identifier, database.oid)
        FROM pg_control_system() AS control, pg_database AS database
        WHERE database.datname = current_database()
    );
BEGIN
    PERFORM forwarder.require_read_committed('watch_triggers');
    -- One at a time, or a gap would be told twice.
    LOCK TABLE forwarder.watched_trigger IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM forwarder.watched_trigger WHERE seen_in <> here;
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT * FROM forwarder.expected_triggers(only_table)
    ),
    news AS MATERIALIZED (
        SELECT
            found.*,
            CASE
                WHEN NOT found.is_sound AND coalesce(watched.is_sound, true) THEN 'capture interrupted'
                WHEN found.is_sound AND NOT watched.is_sound THEN 'capture resumed'
                WHEN found.is_sound AND NOT after_change
                    AND (found.trigger_oid, found.version::text) <> (watched.trigger_oid, watched.version::text)
                THEN 'capture resumed'
            END AS gap
        FROM found
        LEFT JOIN forwarder.watched_trigger AS watched USING (relation, name)
        WHERE watched.relation IS NULL AND (found.is_sound OR found.name = '00_forwarder_capture')
           OR watched.relation IS NOT NULL AND (found.table_id, found.trigger_oid, found.version::text, found.is_sound)
               IS DISTINCT FROM (watched.table_id, watched.trigger_oid, watched.version::text, watched.is_sound)
    ),
    kept AS (
        INSERT INTO forwarder.watched_trigger AS watched (relation, name, table_id, trigger_oid, version, is_sound, seen_in)
        SELECT relation, name, table_id, trigger_oid, version, is_sound, here FROM news
        ON CONFLICT (relation, name) DO UPDATE
        SET table_id = excluded.table_id, trigger_oid = excluded.trigger_oid, version = excluded.version, is_sound = excluded.is_sound
    ),
    -- One of a partitioned table stands for its partitions.
    told AS (
        SELECT DISTINCT ON (news.table_id, news.relation) news.table_id, news.relation, news.gap
        FROM news
        WHERE news.gap IS NOT NULL
          AND (news.is_root OR NOT EXISTS (
              SELECT FROM news AS root WHERE root.is_root AND root.table_id = news.table_id AND root.gap IS NOT NULL))
        ORDER BY news.table_id, news.relation, news.gap
    ),
    gap AS (
        INSERT INTO forwarder.outbox (table_id, relation, op, fault)
        SELECT table_id, relation, 'G', gap FROM told
    )
    SELECT
        forwarder.legible(namespace.nspname::text),
        forwarder.legible(class.relname::text),
        CASE
            WHEN found.trigger_oid IS NOT NULL THEN 'disabled'
            WHEN found.name = '00_forwarder_truncate' THEN 'truncate'
            ELSE 'missing'
        END
    FROM found
    JOIN pg_class AS class ON class.oid = found.relation
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE NOT found.is_sound
    ORDER BY found.name, 1, 2;

    -- Afterwards: a table that was made anew is another one of the registry, and what is known of its triggers has gone over to that.
    IF only_table IS NULL THEN
        DELETE FROM forwarder.watched_trigger AS watched
        WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = watched.relation)
           OR NOT EXISTS (SELECT FROM forwarder.captured_table WHERE id = watched.table_id AND removed_at IS NULL);
    END IF;
END
$$;

-- As in 0010_versions.sql. But who has switched our triggers off meanwhile is told of before they are put right.
CREATE OR REPLACE FUNCTION forwarder.install(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL,
    key_labels    text[] DEFAULT '{}'
) RETURNS integer
LANGUAGE plpgsql
-- So that a regclass is written with its schema.
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id integer;
    arguments text[];
    wanted record;
    fires_always boolean;
BEGIN
    PERFORM forwarder.watch_triggers(registered_id) WHERE registered_id IS NOT NULL;
    captured_id := forwarder.register(target, before_image, key_columns, registered_id);
    arguments := ARRAY[captured_id::text, before_image] || CASE
        WHEN key_columns = '[]' THEN '{}'
        WHEN key_labels = '{}' THEN ARRAY[' ']
        ELSE key_labels
    END;
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
            'CREATE OR REPLACE TRIGGER %I AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION forwarder.capture(%s)',
            wanted.name, wanted.events, wanted.relation, wanted.level,
            (
                SELECT string_agg(quote_literal(listed.argument), ', ' ORDER BY listed.place)
                FROM unnest(arguments) WITH ORDINALITY AS listed (argument, place)
            ));
        -- Replacing resets what somebody chose so that changes applied by replication are captured too.
        IF fires_always THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', wanted.relation, wanted.name);
        END IF;
    END LOOP;
    PERFORM forwarder.watch_triggers(captured_id, after_change => true);
    RETURN captured_id;
END
$$;

REVOKE ALL ON FUNCTION forwarder.expected_triggers(integer), forwarder.watch_triggers(integer, boolean) FROM PUBLIC;

-- What is sound now need not be told of; what is not, is by the first listener that looks.
INSERT INTO forwarder.watched_trigger (relation, name, table_id, trigger_oid, version, is_sound, seen_in)
SELECT expected.relation, expected.name, expected.table_id, expected.trigger_oid, expected.version, true, format('%s/%s', control.system_identifier, database.oid)
FROM forwarder.expected_triggers() AS expected, pg_catalog.pg_control_system() AS control, pg_catalog.pg_database AS database
WHERE expected.is_sound AND database.datname = current_database();
