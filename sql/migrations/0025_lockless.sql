-- Who looks at the triggers locks no table of the application. pg_partition_tree() does, each partition until the transaction ends: so the
-- listener waited for whoever had one locked, and could be what a transaction of the application was in a deadlock with.

-- As in 0022_watch.sql, but the partitions are found in the catalog alone. A table that was attached to a captured one is a partition of that,
-- although the registry does not know yet. In PL/pgSQL, which does not plan it anew for each table that is captured.
CREATE OR REPLACE FUNCTION forwarder.expected_triggers(only_table integer DEFAULT NULL) RETURNS TABLE (
    table_id    integer,
    relation    oid,
    is_root     boolean,
    name        text,
    trigger_oid oid,
    version     xid,
    is_sound    boolean
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE chosen AS MATERIALIZED (
        SELECT * FROM forwarder.captured_table AS captured
        WHERE captured.removed_at IS NULL AND (only_table IS NULL OR captured.id = only_table)
    ),
    root AS (
        SELECT captured.id, class.oid, class.relkind
        FROM chosen AS captured
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN EXISTS (
                    SELECT FROM pg_trigger AS trigger
                    WHERE trigger.tgrelid = captured.relation
                      AND split_part(encode(trigger.tgargs, 'escape'), E'\\000', 1) = captured.id::text
                ) THEN captured.relation
                ELSE to_regclass(format('%I.%I', captured.schema_name, captured.table_name))::oid
            END AS relation
        ) AS same
        JOIN pg_class AS class ON class.oid = same.relation
        WHERE class.relkind IN ('r', 'p')
          AND NOT EXISTS (
              SELECT FROM pg_trigger AS trigger
              WHERE trigger.tgrelid = class.oid AND trigger.tgname = '00_forwarder_capture' AND trigger.tgparentid <> 0
                AND trigger.tgfoid = to_regproc('forwarder.capture'))
    ),
    member AS (
        SELECT id, oid, relkind, true AS is_root FROM root
        UNION ALL
        SELECT member.id, class.oid, class.relkind, false
        FROM member
        JOIN pg_inherits AS link ON link.inhparent = member.oid AND NOT link.inhdetachpending
        JOIN pg_class AS class ON class.oid = link.inhrelid
        WHERE member.relkind = 'p' AND class.relkind IN ('r', 'p')
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
            AND trigger.tgtype = expected.type AND split_part(encode(trigger.tgargs, 'escape'), E'\\000', 1) = member.id::text, false)
    FROM member
    CROSS JOIN (VALUES ('00_forwarder_capture', 29), ('00_forwarder_truncate', 32)) AS expected (name, type)
    -- OFFSET 0: by the index, however many there are.
    LEFT JOIN LATERAL (
        SELECT found.*, found.xmin
        FROM pg_trigger AS found
        WHERE found.tgrelid = member.oid AND found.tgname = expected.name AND found.tgfoid = to_regproc('forwarder.capture')
        OFFSET 0
    ) AS trigger ON true
    WHERE expected.type = 29 OR member.is_root OR member.relkind = 'r'
    ORDER BY member.oid, expected.name, member.is_root DESC, member.id;
END
$$;

-- As in 0022_watch.sql. But whoever is in the way, which can only be on a table of ours, is not waited for for longer than `forwarder migrate` does.
--   * A table that came with its triggers in the place of one that was watched, as a dump of it brings them, has lost what changed between.
--   * So what is known of one that is gone is kept until another has come, or `forwarder migrate` has seen that it is gone.
CREATE OR REPLACE FUNCTION forwarder.watch_triggers(only_table integer DEFAULT NULL, after_change boolean DEFAULT false) RETURNS TABLE (
    schema_name text,
    table_name  text,
    flaw        text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
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
    IF only_table IS NULL THEN
        DELETE FROM forwarder.watched_trigger WHERE seen_in <> here;
    END IF;
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
                WHEN found.is_sound AND watched.relation IS NULL AND found.is_root AND NOT after_change AND EXISTS (
                    SELECT FROM forwarder.watched_trigger AS former WHERE former.table_id = found.table_id AND former.seen_in = here)
                THEN 'capture resumed'
                WHEN found.is_sound AND NOT after_change
                    AND (found.trigger_oid, found.version::text) <> (watched.trigger_oid, watched.version::text)
                THEN 'capture resumed'
            END AS gap
        FROM found
        -- OFFSET 0: as above.
        LEFT JOIN LATERAL (
            SELECT * FROM forwarder.watched_trigger AS known
            WHERE known.relation = found.relation AND known.name = found.name AND known.seen_in = here
            OFFSET 0
        ) AS watched ON true
        WHERE watched.relation IS NULL AND (found.is_sound OR found.name = '00_forwarder_capture')
           OR watched.relation IS NOT NULL AND (found.table_id, found.trigger_oid, found.version::text, found.is_sound)
               IS DISTINCT FROM (watched.table_id, watched.trigger_oid, watched.version::text, watched.is_sound)
    ),
    kept AS (
        INSERT INTO forwarder.watched_trigger AS watched (relation, name, table_id, trigger_oid, version, is_sound, seen_in)
        SELECT relation, name, table_id, trigger_oid, version, is_sound, here FROM news
        ON CONFLICT (relation, name) DO UPDATE
        SET table_id = excluded.table_id, trigger_oid = excluded.trigger_oid, version = excluded.version, is_sound = excluded.is_sound,
            seen_in = excluded.seen_in
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
              AND watched.table_id IN (
                  SELECT other.table_id FROM forwarder.watched_trigger AS other JOIN pg_class AS class ON class.oid = other.relation)
           OR NOT EXISTS (SELECT FROM forwarder.captured_table WHERE id = watched.table_id AND removed_at IS NULL);
    END IF;
END
$$;

-- Creates a trigger of ours, or exchanges it in place.
CREATE FUNCTION forwarder.put_trigger(relation regclass, name text, events text, level text, arguments text[]) RETURNS void
LANGUAGE plpgsql
-- So that a regclass is written with its schema.
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fires_always boolean := (SELECT tgenabled = 'A' FROM pg_trigger WHERE tgrelid = relation AND tgname = put_trigger.name);
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER %I AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION forwarder.capture(%s)',
        name, events, relation, level,
        (
            SELECT string_agg(quote_literal(listed.argument), ', ' ORDER BY listed.place)
            FROM unnest(arguments) WITH ORDINALITY AS listed (argument, place)
        ));
    -- Replacing resets what somebody chose so that changes applied by replication are captured too.
    IF fires_always THEN
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', relation, name);
    END IF;
END
$$;

-- As in 0022_watch.sql. But no partition is locked before the table itself is ours: whoever holds one would be waited for with others in hand.
CREATE OR REPLACE FUNCTION forwarder.install(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL,
    key_labels    text[] DEFAULT '{}'
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id integer;
    arguments text[];
BEGIN
    PERFORM forwarder.watch_triggers(registered_id) WHERE registered_id IS NOT NULL;
    captured_id := forwarder.register(target, before_image, key_columns, registered_id);
    arguments := ARRAY[captured_id::text, before_image] || CASE
        WHEN key_columns = '[]' THEN '{}'
        WHEN key_labels = '{}' THEN ARRAY[' ']
        ELSE key_labels
    END;
    PERFORM forwarder.put_trigger(target, '00_forwarder_capture', 'INSERT OR UPDATE OR DELETE', 'ROW', arguments);
    -- With the lock that this has taken, on the partitions too, there are no others by now than those that are found here.
    PERFORM forwarder.put_trigger(member.relation, '00_forwarder_truncate', 'TRUNCATE', 'STATEMENT', arguments)
    FROM (
        WITH RECURSIVE found AS (
            SELECT class.oid, class.relkind FROM pg_class AS class WHERE class.oid = target
            UNION ALL
            SELECT class.oid, class.relkind
            FROM found
            JOIN pg_inherits AS link ON link.inhparent = found.oid AND NOT link.inhdetachpending
            JOIN pg_class AS class ON class.oid = link.inhrelid
            WHERE found.relkind = 'p'
        )
        SELECT found.oid::regclass AS relation FROM found WHERE found.oid = target OR found.relkind = 'r'
    ) AS member;
    PERFORM forwarder.watch_triggers(captured_id, after_change => true);
    RETURN captured_id;
END
$$;

REVOKE ALL ON FUNCTION forwarder.put_trigger(regclass, text, text, text, text[]) FROM PUBLIC;
