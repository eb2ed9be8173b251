-- The record of a TRUNCATE is written before the tables are emptied. PostgreSQL locks all tables of the statement, runs the BEFORE TRUNCATE
-- triggers of all of them, empties all of them, and then runs the AFTER TRUNCATE triggers. Until now our trigger was an AFTER trigger,
-- "00_forwarder_truncate", which calls forwarder.capture(). So an AFTER trigger of another table of the statement could insert rows before
-- the record was written.
--   * The new trigger is a BEFORE trigger, "zz_forwarder_truncate", so all tables have their records before the first AFTER trigger runs.
--   * Its name sorts behind most others: what another BEFORE trigger writes into the same table is emptied too, and belongs before the
--     record. What a BEFORE trigger writes into a table that has its record already looks as if it had come after the TRUNCATE. Such a
--     trigger has a name that sorts behind ours, or belongs to a later table of the statement than the one that it writes to.
--   * It calls a function of its own, forwarder.capture_truncate(). In each session PL/pgSQL compiles a function anew for each trigger that
--     calls it, and keeps a plan for each expression in it. Whenever a table gets a new file, PostgreSQL looks at all these plans. With
--     forwarder.capture(), a TRUNCATE of hundreds of tables took seconds.
--   * The old trigger is in use until `forwarder migrate` comes to its table. Then it gets the condition WHEN (false), and stays: to drop
--     or to rename it would take a lock that waits for readers of the table.

-- What forwarder.capture_truncate() does. It is called by that alone, with its path and rights.
CREATE FUNCTION forwarder.write_truncation(relation oid, trigger_name name, arguments text[]) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    captured_id integer := arguments[0];
    -- Itself and its ancestors, if it is a partition.
    family oid[] := ARRAY(SELECT relid FROM pg_partition_ancestors(relation));
BEGIN
    IF captured_id = ANY (forwarder.paused_tables()) THEN
        RETURN;
    END IF;
    -- A table that was a partition has kept this trigger, but has lost the one for its rows: then it is not captured any more. The snapshot
    -- may be older than the triggers. So if it does not see this trigger, the table counts as captured. And a trigger that was inherited
    -- counts only while the table is a partition, which pg_partition_ancestors() reads from the latest state.
    IF EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = relation AND tgname = trigger_name AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = arguments[0]
    ) AND NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = ANY (relation || family) AND tgfoid = 'forwarder.capture'::regproc AND tgtype & 1 = 1
          AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = arguments[0]
          AND (tgparentid = 0 OR tgrelid = ANY (family))
    ) THEN
        RETURN;
    END IF;
    -- As in forwarder.capture().
    IF NOT pg_try_advisory_xact_lock_shared(1719100530, 1) THEN
        IF current_setting('forwarder.wake', true) IS DISTINCT FROM 'poll' AND pg_notification_queue_usage() < 0.5 THEN
            PERFORM pg_notify('forwarder', '');
        END IF;
    END IF;
    INSERT INTO forwarder.outbox (table_id, relation, op) VALUES (captured_id, relation, 'T');
    -- A file that this transaction has made is emptied in place, so new rows have the file and the places of former ones. What is noted of
    -- the former must not be taken for the new (forwarder.file_seed). Where nothing is noted there is no need for the setting, of which
    -- one for each table would stay until the session ends.
    IF forwarder.is_noted('forwarder.keys_taken_in', arguments[0])
        OR forwarder.is_noted('forwarder.versions_replaced_in', arguments[0])
    THEN
        PERFORM set_config('forwarder.truncated_' || relation, currval('forwarder.outbox_seq')::text, true);
    END IF;
END
$$;

-- The trigger function for TRUNCATE. It has one expression, since each session keeps a plan of that for each trigger.
CREATE FUNCTION forwarder.capture_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM forwarder.write_truncation(TG_RELID, TG_NAME, TG_ARGV);
    RETURN NULL;
END
$$;

-- Creates the new trigger for TRUNCATE, or exchanges it in place, and puts the old one out of use.
CREATE FUNCTION forwarder.put_truncate_trigger(relation regclass, arguments text[]) RETURNS void
LANGUAGE plpgsql
-- So that a regclass is written with its schema.
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    argument_list text := (
        SELECT string_agg(quote_literal(listed.argument), ', ' ORDER BY listed.place)
        FROM unnest(arguments) WITH ORDINALITY AS listed (argument, place)
    );
    fires_always boolean := (
        SELECT bool_or(tgenabled = 'A') FROM pg_trigger
        WHERE tgrelid = relation AND tgname IN ('zz_forwarder_truncate', '00_forwarder_truncate')
    );
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER zz_forwarder_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT'
        ' EXECUTE FUNCTION forwarder.capture_truncate(%s)',
        relation, argument_list);
    -- As in forwarder.put_trigger().
    IF fires_always THEN
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER zz_forwarder_truncate', relation);
    END IF;
    -- ALTER TABLE with DISABLE TRIGGER would ask for the rights of the table's owner, and ENABLE TRIGGER ALL would undo it.
    IF EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = relation AND tgname = '00_forwarder_truncate' AND tgfoid = 'forwarder.capture'::regproc
    ) THEN
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER "00_forwarder_truncate" AFTER TRUNCATE ON %s FOR EACH STATEMENT WHEN (false)'
            ' EXECUTE FUNCTION forwarder.capture(%s)',
            relation, argument_list);
    END IF;
END
$$;

-- As in 0025_lockless.sql. But the trigger for TRUNCATE is the new one; where there is none, the old one, if it has no condition. Both are
-- returned under the name of the old one, which forwarder.watched_trigger has of it: so the exchange is not taken for a gap.
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
    CROSS JOIN (
        VALUES
            ('00_forwarder_capture', '00_forwarder_capture', 29, to_regproc('forwarder.capture')),
            ('00_forwarder_truncate', 'zz_forwarder_truncate', 34, to_regproc('forwarder.capture_truncate')),
            ('00_forwarder_truncate', '00_forwarder_truncate', 32, to_regproc('forwarder.capture'))
    ) AS expected (name, present_name, type, function)
    -- OFFSET 0: by the index, however many there are.
    LEFT JOIN LATERAL (
        SELECT found.*, found.xmin
        FROM pg_trigger AS found
        WHERE found.tgrelid = member.oid AND found.tgname = expected.present_name AND found.tgfoid = expected.function
          AND (expected.type <> 32 OR found.tgqual IS NULL)
        OFFSET 0
    ) AS trigger ON true
    WHERE expected.type = 29 OR member.is_root OR member.relkind = 'r'
    ORDER BY member.oid, expected.name, member.is_root DESC, member.id, trigger.oid IS NULL, expected.type DESC;
END
$$;

-- As in 0025_lockless.sql, but with the new trigger for TRUNCATE.
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
    PERFORM forwarder.put_truncate_trigger(member.relation, arguments)
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

-- As in 0024_foreign_code.sql. But forwarder.capture_truncate() goes where forwarder.capture() goes.
CREATE OR REPLACE FUNCTION forwarder.entrust_capture(role_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner_name name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'forwarder.migration'::regclass);
    previous_role name := (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'forwarder.capture'::regproc);
    -- A role that could do all that the owner can would be none of its own.
    images_role text := coalesce(
        (
            SELECT rolname
            FROM pg_roles
            WHERE rolname = role_name || '_images' AND pg_has_role(owner_name, oid, 'USAGE') AND NOT pg_has_role(oid, owner_name, 'MEMBER')
        ), role_name);
    routine regprocedure;
    caller name;
BEGIN
    IF NOT pg_has_role(owner_name, role_name, 'USAGE') THEN
        RAISE 'role % would not inherit the rights of %, and could not replace forwarder.capture(); ALTER ROLE % INHERIT',
            quote_ident(owner_name), quote_ident(role_name), quote_ident(owner_name);
    END IF;
    FOREACH routine IN ARRAY ARRAY['forwarder.capture()', 'forwarder.capture_truncate()']::regprocedure[] LOOP
        IF role_name <> (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = routine) THEN
            EXECUTE format('GRANT CREATE ON SCHEMA forwarder TO %I', role_name);
            EXECUTE format('ALTER FUNCTION %s OWNER TO %I', routine, role_name);
            EXECUTE format('REVOKE CREATE ON SCHEMA forwarder FROM %I', role_name);
        END IF;
    END LOOP;
    IF images_role <> (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'forwarder.images'::regproc) THEN
        EXECUTE format('GRANT CREATE ON SCHEMA forwarder TO %I', images_role);
        EXECUTE format('ALTER FUNCTION forwarder.images(record, record, bigint) OWNER TO %I', images_role);
        EXECUTE format('REVOKE CREATE ON SCHEMA forwarder FROM %I', images_role);
        -- What its owner may do has gone over to the next one.
        FOREACH caller IN ARRAY ARRAY[previous_role, role_name] LOOP
            IF NOT has_function_privilege(caller, 'forwarder.images(record, record, bigint)', 'EXECUTE') THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION forwarder.images(record, record, bigint) TO %I', caller);
            END IF;
        END LOOP;
    END IF;
END
$$;

-- forwarder.capture_truncate() belongs to the owner of forwarder.capture(), who may call what it calls from the moment on that this is
-- committed. Only whoever may create in the schema can be given a function in it, hence CREATE for a moment.
DO $$
DECLARE
    capture_owner name := (
        SELECT pg_catalog.pg_get_userbyid(proowner) FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc);
    may_create boolean := pg_catalog.has_schema_privilege(capture_owner, 'forwarder', 'CREATE');
    created regprocedure;
BEGIN
    FOR created IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace
          AND proname IN ('capture_truncate', 'put_truncate_trigger', 'write_truncation')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', created);
    END LOOP;
    EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION forwarder.write_truncation(oid, name, text[]) TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA forwarder TO %I', capture_owner);
    END IF;
    EXECUTE pg_catalog.format('ALTER FUNCTION forwarder.capture_truncate() OWNER TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA forwarder FROM %I', capture_owner);
    END IF;
END
$$;
