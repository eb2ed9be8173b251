-- Capture of whole statements, for tables with level = "statement": what a statement inserts or deletes is written to the outbox at once.
--
-- Such a table has, beside its trigger for updates, for each of INSERT and DELETE
--   * a trigger for rows, which calls forwarder.capture_in_statement(). When the first row's trigger fires, the statement has changed all its rows.
--     Then it is decided whether they are written at once, or one by one as forwarder.capture() does;
--   * a trigger for the statement, which calls forwarder.capture_statement() and writes them if they are written at once. PostgreSQL fires it after
--     those for rows, and hands it the rows (a transition table);
-- and a BEFORE trigger for statements, which calls forwarder.begin_statement() and writes down which kinds of statements began.
--
-- Rows of a transition table have no ctid, by which 0026_lives.sql puts changes in order. So they are written at once only where that would have
-- nothing to do (forwarder.goes_in_bulk()), and docs/design/statement.md shows why nothing else is needed.

-- Writes down which kinds of statements on a table began in this message of the client, and have not been told to be over: `1700000000.123456 INSERT`.
CREATE FUNCTION forwarder.begin_statement() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text := 'forwarder.began_' || TG_ARGV[0];
    message text := extract(epoch FROM statement_timestamp());
    began text := current_setting(name, true);
BEGIN
    IF starts_with(began, message) IS NOT TRUE THEN
        began := message;
    END IF;
    IF strpos(began, TG_OP) = 0 THEN
        PERFORM set_config(name, began || ' ' || TG_OP, true);
    END IF;
    RETURN NULL;
END
$$;

-- Whether the rows of a statement are written at once.
--   * `call_stack` is that of the trigger for rows. A statement that code runs (a function, a block, another trigger) may stand within another
--     one, whose rows are not captured yet.
--   * Rows have to be plain (0020_plain_rows.sql): those are written without a look at each.
--   * Where changes of the table are noted (0026_lives.sql), these rows may be late.
--   * Another kind of statement on the table is a part of the same query: MERGE, ON CONFLICT DO UPDATE, WITH. And where none has begun, as in the
--     worker that applies a subscription, no trigger for statements will fire.
--   * The transition table would have rows of tables that inherit from this one. Which do, a snapshot of READ COMMITTED sees.
CREATE FUNCTION forwarder.goes_in_bulk(operation text, relation oid, captured_id text, call_stack text, is_plain boolean) RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN is_plain
        AND strpos(call_stack, E'\n') = 0
        AND NOT forwarder.is_noted('forwarder.keys_taken_in', captured_id)
        AND NOT forwarder.is_noted('forwarder.versions_replaced_in', captured_id)
        AND current_setting('forwarder.began_' || captured_id, true) = extract(epoch FROM statement_timestamp()) || ' ' || operation
        AND current_setting('transaction_isolation') = 'read committed'
        -- Else triggers fire by what they are enabled for, one and not the other.
        AND current_setting('session_replication_role') = 'origin'
        AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = relation);
END
$$;

-- The trigger function for rows that are inserted or deleted. Of most it only sees that forwarder.capture_statement() will write them. Else it
-- captures them as forwarder.capture() does, whose comments hold here.
--   * What is decided for a statement counts until forwarder.capture_statement() is called. Triggers within triggers leave it alone.
CREATE FUNCTION forwarder.capture_in_statement() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    decided text := current_setting('forwarder.statement_' || TG_ARGV[0] || '_' || TG_OP, true);
    call_stack text;
    old_command bigint;
    strange_types oid[];
    is_written boolean;
BEGIN
    IF decided = 'at once' AND pg_trigger_depth() = 1 THEN
        RETURN NULL;
    END IF;
    IF TG_ARGV[0]::integer = ANY (forwarder.paused_tables()) THEN
        RETURN NULL;
    END IF;
    GET DIAGNOSTICS call_stack = PG_CONTEXT;
    IF coalesce(decided, '') = '' AND pg_trigger_depth() = 1 THEN
        decided := CASE
            WHEN forwarder.goes_in_bulk(
                TG_OP, TG_RELID, TG_ARGV[0], call_stack,
                forwarder.is_plain_as_it_is(
                    TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END)))
            THEN 'at once'
            ELSE 'row by row'
        END;
        PERFORM set_config('forwarder.statement_' || TG_ARGV[0] || '_' || TG_OP, decided, true);
        IF decided = 'at once' THEN
            RETURN NULL;
        END IF;
    END IF;

    PERFORM forwarder.ring();
    old_command := forwarder.replaced_by(OLD.xmin, OLD.cmax);
    -- forwarder.write_change() notes this where it finds the name of a trigger function that it knows above code in the call stack. This one it
    -- does not know.
    IF old_command IS NOT NULL AND strpos(call_stack, E'\n') > 0 THEN
        PERFORM forwarder.note('forwarder.versions_replaced_in', TG_ARGV[0]);
    END IF;
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        strange_types := coalesce(
            forwarder.strange_types(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.parts_of(CASE WHEN false THEN NEW END)),
            (forwarder.parts_of(NEW))[9:],
            '{0}');
    ELSE
        strange_types := coalesce(
            forwarder.strange_types(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.parts_of(CASE WHEN false THEN NEW END)),
            (forwarder.parts_of(NEW))[9:],
            '{0}');
    END IF;
    is_written := forwarder.capture_in_order(
        TG_OP, TG_RELID, TG_ARGV, OLD, NEW, OLD.ctid, NEW.ctid, old_command, NEW.xmax <> 0, strange_types);
    RETURN NULL;
END
$$;

-- Writes all changes of a table that are noted in this message again, in their order. They were captured between the first row's trigger and that of the
-- statement, in statements that triggers ran; so they come after all rows of the statement.
CREATE FUNCTION forwarder.put_noted_behind(captured_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    line text;
    members text[];
    is_ours boolean;
BEGIN
    IF forwarder.is_noted('forwarder.keys_taken_in', captured_id) OR forwarder.is_noted('forwarder.versions_replaced_in', captured_id) THEN
        FOR line IN
            SELECT listed
            FROM generate_series(0, 31) AS state
            CROSS JOIN LATERAL unnest(forwarder.notes_names(state)) AS name
            CROSS JOIN LATERAL string_to_table(forwarder.noted_in(name), E'\n') AS listed
            WHERE listed <> ''
            ORDER BY split_part(listed, ' ', 2)::bigint
        LOOP
            members := string_to_array(line, ' ', '');
            IF members[3] = 'N' THEN
                is_ours := members[6] = captured_id;
            ELSIF pg_partition_root(members[6]::oid::regclass) = 'forwarder.outbox'::regclass THEN
                EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE ctid = $1 AND table_id = $2)', members[6]::oid::regclass)
                INTO is_ours USING members[7]::tid, captured_id::integer;
            ELSE
                is_ours := false;
            END IF;
            PERFORM forwarder.move_to_end(line, false) WHERE is_ours;
        END LOOP;
    END IF;
END
$$;

-- Whether no column of a table has a type that somebody may give a cast to json: only types that come with PostgreSQL, and domains over them.
CREATE FUNCTION forwarder.has_types_of_postgres(relation oid) RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
    -- Most tables have none of those types, which is told in a tenth of the time.
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND atttypid >= 16384) THEN
        RETURN true;
    END IF;
    RETURN NOT EXISTS (
        WITH RECURSIVE part (type, is_domain) AS (
            SELECT atttypid, typtype = 'd'
            FROM pg_attribute LEFT JOIN pg_type ON pg_type.oid = atttypid
            WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
            UNION
            SELECT base.oid, base.typtype = 'd'
            FROM part
            JOIN pg_type AS domain ON domain.oid = part.type
            JOIN pg_type AS base ON base.oid = domain.typbasetype
            WHERE part.is_domain
        )
        SELECT FROM part WHERE type >= 16384 AND is_domain IS NOT TRUE
    );
END
$$;

-- The trigger function for whole statements. The settings are those that images are made with, see forwarder.images().
CREATE FUNCTION forwarder.capture_statement() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'GMT'
SET datestyle = 'ISO, YMD'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET intervalstyle = 'postgres'
SET quote_all_identifiers = off
-- Else the first error ends the session.
SET exit_on_error = off
AS $$
-- Whatever the columns of the table are called: a variable is meant by its name, and a row by that of its table and `.*`.
#variable_conflict use_variable
DECLARE
    captured_id integer := TG_ARGV[0];
    decided text := 'forwarder.statement_' || TG_ARGV[0] || '_' || TG_OP;
    began text := 'forwarder.began_' || TG_ARGV[0];
    are_written_at_once boolean := nullif(current_setting(decided, true), '') = 'at once';
    call_stack text;
    are_usual boolean;
    has_rows boolean;
    changed record;
    images text[];
BEGIN
    IF pg_trigger_depth() > 1 THEN
        RETURN NULL;
    END IF;
    IF current_setting(decided, true) <> '' THEN
        PERFORM set_config(decided, '', true);
    END IF;
    GET DIAGNOSTICS call_stack = PG_CONTEXT;
    IF strpos(call_stack, E'\n') = 0 THEN
        -- Nothing that began in this message is going on but the rest of its query.
        PERFORM set_config(began, replace(current_setting(began, true), ' ' || TG_OP, ''), true);
    END IF;
    IF captured_id = ANY (forwarder.paused_tables()) OR NOT are_written_at_once THEN
        RETURN NULL;
    ELSIF are_written_at_once IS NULL THEN
        -- Either there are no rows; or a trigger has reset all settings since, and with them what was decided. Then nobody knows which rows were captured.
        IF TG_OP = 'INSERT' THEN
            has_rows := EXISTS (SELECT FROM new_rows);
        ELSE
            has_rows := EXISTS (SELECT FROM old_rows);
        END IF;
        IF has_rows THEN
            INSERT INTO forwarder.outbox (table_id, relation, op, fault) VALUES (captured_id, TG_RELID, 'G', 'capture interrupted');
            PERFORM forwarder.ring();
        END IF;
        RETURN NULL;
    END IF;
    PERFORM forwarder.ring();

    -- What is decided is a setting, which a writer may set himself. So it is looked at here, too, whether rows may run code of others on their way to JSON,
    -- which is to run in forwarder.images() alone.
    --
    -- Each row becomes JSON twice: first in a transaction of its own within the writer's (EXCEPTION), where nothing is written, to see whether it can.
    -- So images need no memory for all rows at a time, and that transaction takes no id.
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' OR NOT forwarder.has_types_of_postgres(TG_RELID) THEN
            are_usual := false;
        ELSIF TG_OP = 'INSERT' THEN
            are_usual := count(*) = count(*) FILTER (
                WHERE CASE
                    WHEN pg_column_size(inserted.*) <= forwarder.max_image_bytes()
                    THEN octet_length(row_to_json(inserted.*)::text) <= forwarder.max_image_bytes()
                END)
            FROM new_rows AS inserted;
        ELSE
            are_usual := count(*) = count(*) FILTER (
                WHERE CASE
                    WHEN pg_column_size(deleted.*) <= forwarder.max_image_bytes()
                    THEN octet_length(row_to_json(deleted.*)::text) <= forwarder.max_image_bytes()
                END)
            FROM old_rows AS deleted;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        are_usual := false;
    END;
    IF are_usual AND TG_OP = 'INSERT' THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, after)
        SELECT captured_id, TG_RELID, 'I', row_to_json(inserted.*)::text FROM new_rows AS inserted;
    ELSIF are_usual THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before)
        SELECT captured_id, TG_RELID, 'D', row_to_json(deleted.*)::text FROM old_rows AS deleted;
    ELSIF TG_OP = 'INSERT' THEN
        FOR changed IN SELECT * FROM new_rows LOOP
            images := forwarder.images(NULL, changed, forwarder.max_image_bytes());
            INSERT INTO forwarder.outbox (table_id, relation, op, after, fault) VALUES (captured_id, TG_RELID, 'I', images[2], images[3]);
        END LOOP;
    ELSE
        FOR changed IN SELECT * FROM old_rows LOOP
            images := forwarder.images(changed, NULL, forwarder.max_image_bytes());
            INSERT INTO forwarder.outbox (table_id, relation, op, before, fault) VALUES (captured_id, TG_RELID, 'D', images[1], images[3]);
        END LOOP;
    END IF;
    PERFORM forwarder.put_noted_behind(TG_ARGV[0]);
    RETURN NULL;
END
$$;

-- As in 0031_rules.sql. The functions that fill the outbox belong to the owner of forwarder.capture().
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
          AND proname IN (
              'begin_statement', 'capture_in_statement', 'capture_statement', 'goes_in_bulk', 'has_types_of_postgres', 'note', 'put_noted_behind')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', created);
    END LOOP;
    EXECUTE pg_catalog.format(
        'GRANT EXECUTE ON FUNCTION forwarder.goes_in_bulk, forwarder.has_types_of_postgres, forwarder.note, forwarder.put_noted_behind TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA forwarder TO %I', capture_owner);
    END IF;
    EXECUTE pg_catalog.format('ALTER FUNCTION forwarder.capture_in_statement() OWNER TO %I', capture_owner);
    EXECUTE pg_catalog.format('ALTER FUNCTION forwarder.capture_statement() OWNER TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA forwarder FROM %I', capture_owner);
    END IF;
END
$$;
