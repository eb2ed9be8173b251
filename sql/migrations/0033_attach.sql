-- New tables are captured by themselves ([capture] auto_attach), and a change of a table's columns is an event ([capture] schema_events).
--
-- Who sees to it: event triggers at the moment of the statement, where `forwarder migrate` may create them; else the leading listener, within a
-- minute. Both call what is here. An event trigger runs in somebody's transaction, so it never fails, waits for nobody, and locks nothing but the
-- table that the statement has just made; what it cannot do is left to the listener.

-- The rules of [[table]] for tables that come later, as `forwarder migrate` has read them. None: new tables are not captured.
CREATE TABLE forwarder.table_rule (
    place          integer NOT NULL,
    -- Regular expressions.
    schema_pattern text    NOT NULL,
    table_pattern  text    NOT NULL,
    -- Pairs of such expressions: [["^public$", "^log_.*$"]].
    excluded       jsonb   NOT NULL DEFAULT '[]',
    -- What the rule alone makes of the options, as in captured_table; null if it says nothing of how a table is captured.
    options        jsonb,
    before_image   text    NOT NULL DEFAULT 'full',
    -- The triggers that these options ask for, as in captured_table. Null if they are not the same for every table, as those that treat columns are:
    -- `forwarder migrate` and the listener work these out, and nothing here.
    triggers       jsonb,
    CONSTRAINT table_rule_pkey PRIMARY KEY (place)
);

ALTER TABLE forwarder.captured_table
    -- Whether forwarder.attach_by_rules() has captured it, and not `forwarder migrate`.
    ADD COLUMN is_attached boolean NOT NULL DEFAULT false;

-- What schema events have told of each table last. No row: nothing yet.
CREATE TABLE forwarder.told_schema (
    table_id    integer NOT NULL,
    -- As forwarder.described() has it.
    description text    NOT NULL,
    CONSTRAINT told_schema_pkey PRIMARY KEY (table_id)
);

-- Whether there are to be schema events. One row.
CREATE TABLE forwarder.schema_events (
    is_on   boolean NOT NULL,
    is_only boolean NOT NULL DEFAULT true,
    CONSTRAINT schema_events_pkey PRIMARY KEY (is_only),
    CONSTRAINT schema_events_is_only_check CHECK (is_only)
);
INSERT INTO forwarder.schema_events (is_on) VALUES (false);

-- The attribute numbers of the columns that identify a row of a table, in order; null if there are none. As sql/queries/capture/candidates.sql finds them.
CREATE FUNCTION forwarder.key_numbers(target oid) RETURNS smallint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (index.indkey::smallint[])[0:index.indnkeyatts - 1]
    FROM pg_index AS index
    JOIN pg_class AS index_class ON index_class.oid = index.indexrelid
    WHERE index.indrelid = target AND (
        index.indisprimary
        OR index.indisunique AND index.indimmediate AND index.indisvalid
            AND index.indpred IS NULL AND index.indexprs IS NULL
            AND NOT EXISTS (
                SELECT FROM pg_attribute AS attribute
                WHERE attribute.attrelid = target AND NOT attribute.attnotnull
                  AND attribute.attnum = ANY ((index.indkey::smallint[])[0:index.indnkeyatts - 1])
            )
    )
    ORDER BY index.indisprimary DESC, index.indisreplident DESC, index_class.relname
    LIMIT 1
$$;

-- The columns that identify a row of a table, as the registry keeps them, and the labels by which a trigger finds them in an image. As
-- forwarder/capture/tables.py works them out of sql/queries/capture/candidates.sql: key_columns() and key_labels().
CREATE FUNCTION forwarder.key_of_table(target oid, OUT key_columns jsonb, OUT key_labels text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE present AS (
        SELECT
            attribute.attnum,
            attribute.attname,
            base.typnamespace = 'pg_catalog'::regnamespace AND base.typcategory NOT IN ('A', 'C')
                AND base.typname NOT IN ('json', 'jsonb') AS is_scalar
        FROM pg_attribute AS attribute
        JOIN pg_type AS type ON type.oid = attribute.atttypid
        JOIN pg_type AS base ON base.oid = coalesce(nullif(type.typbasetype, 0), type.oid)
        WHERE attribute.attrelid = target AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ),
    member (oid) AS (
        SELECT target
        UNION ALL
        SELECT link.inhrelid
        FROM member
        JOIN pg_inherits AS link ON link.inhparent = member.oid AND NOT link.inhdetachpending
        JOIN pg_class AS class ON class.oid = link.inhrelid AND class.relispartition
    ),
    key_column AS (
        SELECT listed.place, present.attnum, present.attname
        FROM unnest(forwarder.key_numbers(target)) WITH ORDINALITY AS listed (attnum, place)
        JOIN present ON present.attnum = listed.attnum
    ),
    fact AS (
        SELECT
            (SELECT min(attnum) FROM present) AS first,
            NOT EXISTS (
                SELECT FROM present WHERE NOT is_scalar AND attnum <= (SELECT max(attnum) FROM key_column)
            ) AND NOT EXISTS (
                SELECT
                FROM member
                JOIN pg_attribute AS theirs ON theirs.attrelid = member.oid AND theirs.attnum > 0 AND NOT theirs.attisdropped
                LEFT JOIN present AS ours ON ours.attnum = theirs.attnum AND ours.attname = theirs.attname
                WHERE ours.attnum IS NULL
            ) AS is_findable
    )
    SELECT
        coalesce(jsonb_agg(jsonb_build_object('attnum', attnum, 'names', jsonb_build_array(attname)) ORDER BY place), '[]'),
        CASE
            WHEN count(*) = 0 THEN '{}'
            WHEN NOT bool_and(is_findable) THEN ARRAY[' ']
            WHEN count(*) = 1 AND bool_and(attnum = first) THEN ARRAY['{' || to_json(min(attname)::text)::text || ':']
            ELSE ARRAY[' '] || array_agg(
                CASE WHEN attnum = first THEN '{' ELSE ',' END || to_json(attname::text)::text || ':' ORDER BY place)
        END
    FROM key_column, fact
$$;

-- A table that makes it unwise to capture this one by itself: one of the two may become a partition of the other, and PostgreSQL refuses to attach a table
-- that has our triggers to one that has them. For that both have the same columns, and one is partitioned. Null: there is none.
CREATE FUNCTION forwarder.twin_of(target oid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ours record;
    our_columns text[];
BEGIN
    SELECT relkind, relispartition INTO ours FROM pg_class WHERE oid = target;
    IF ours.relispartition THEN
        RETURN NULL;
    END IF;
    our_columns := ARRAY(
        SELECT ROW(attname, atttypid, atttypmod)::text
        FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped
        ORDER BY attname);
    RETURN (
        SELECT format('%I.%I', namespace.nspname, other.relname)
        FROM pg_class AS other
        JOIN pg_namespace AS namespace ON namespace.oid = other.relnamespace
        WHERE other.oid <> target
          AND (
              other.relkind = 'p'
              OR ours.relkind = 'p' AND other.relkind = 'r' AND NOT other.relispartition AND EXISTS (
                  SELECT FROM pg_trigger WHERE tgrelid = other.oid AND tgfoid = ANY (forwarder.row_triggers()))
          )
          AND our_columns = ARRAY(
              SELECT ROW(attname, atttypid, atttypmod)::text
              FROM pg_attribute WHERE attrelid = other.oid AND attnum > 0 AND NOT attisdropped
              ORDER BY attname)
        ORDER BY 1
        LIMIT 1
    );
END
$$;

-- Says in the stream that nothing was captured of a table before now, if it has had rows. By the size of its files, which needs no right on it. If a
-- gap of this transaction says it already, since the table was made anew, that is enough.
CREATE FUNCTION forwarder.tell_beginning(captured_id integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH RECURSIVE member (oid) AS (
        SELECT captured.relation FROM forwarder.captured_table AS captured WHERE captured.id = captured_id
        UNION ALL
        SELECT link.inhrelid
        FROM member
        JOIN pg_inherits AS link ON link.inhparent = member.oid AND NOT link.inhdetachpending
        JOIN pg_class AS class ON class.oid = link.inhrelid AND class.relispartition
    )
    INSERT INTO forwarder.outbox (table_id, relation, op, fault)
    SELECT captured.id, captured.relation, 'G', 'capture began'
    FROM forwarder.captured_table AS captured
    WHERE captured.id = captured_id
      -- OFFSET 0: to ask for the size of a table waits for whoever has it locked, so no other one is asked for.
      AND EXISTS (SELECT FROM (SELECT member.oid FROM member OFFSET 0) AS own WHERE pg_relation_size(own.oid) > 0)
      AND NOT EXISTS (
          SELECT FROM forwarder.outbox AS told
          WHERE told.txid = pg_current_xact_id() AND told.table_id = captured_id AND told.op = 'G');
    IF FOUND THEN
        PERFORM forwarder.ring();
    END IF;
END
$$;

-- Gives a partition of a captured table the triggers that PostgreSQL does not give it, those for TRUNCATE. Returns whether it lacked any. Anybody who may
-- call this may do so for any partition, since the captured table has them too.
CREATE FUNCTION forwarder.complete_partition(leaf oid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lacked boolean := false;
    missing record;
BEGIN
    IF NOT forwarder.may_make_triggers() THEN
        RETURN false;
    END IF;
    FOR missing IN
        SELECT
            listed.definition,
            ARRAY(
                SELECT convert_from(decode(argument.escaped, 'escape'), getdatabaseencoding())
                FROM unnest(string_to_array(encode(model.tgargs, 'escape'), E'\\000')) WITH ORDINALITY AS argument (escaped, place)
                WHERE argument.place <= model.tgnargs
                ORDER BY argument.place
            ) AS arguments
        FROM forwarder.captured_table AS captured
        CROSS JOIN LATERAL jsonb_array_elements(captured.triggers) AS listed (definition)
        JOIN pg_trigger AS model ON model.tgrelid = captured.relation AND model.tgname = listed.definition ->> 'name'
        WHERE captured.removed_at IS NULL AND (listed.definition ->> 'type')::integer & 1 = 0
          AND captured.id::text = (
              SELECT split_part(encode(inherited.tgargs, 'escape'), E'\\000', 1)
              FROM pg_trigger AS inherited
              WHERE inherited.tgrelid = leaf AND inherited.tgparentid <> 0 AND inherited.tgfoid = ANY (forwarder.row_triggers())
              LIMIT 1
          )
          AND EXISTS (SELECT FROM pg_class WHERE oid = leaf AND relkind = 'r' AND relispartition)
          AND NOT EXISTS (
              SELECT FROM pg_trigger WHERE tgrelid = leaf AND tgname IN (listed.definition ->> 'name', '00_forwarder_truncate'))
    LOOP
        PERFORM forwarder.put_trigger(leaf, missing.definition, missing.arguments);
        lacked := true;
    END LOOP;
    RETURN lacked;
END
$$;

-- Whether triggers may be made with the rights of the schema's owner in this session. In one of somebody else that would run the event triggers of others
-- with these rights, and with temporary tables and functions of that session in the path. One that is SECURITY DEFINER has rights of its own.
CREATE FUNCTION forwarder.may_make_triggers() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_has_role(session_user, current_user, 'MEMBER') OR NOT EXISTS (
        SELECT FROM pg_event_trigger AS other
        JOIN pg_proc AS function ON function.oid = other.evtfoid
        WHERE other.evtenabled <> 'D' AND other.evtevent IN ('ddl_command_start', 'ddl_command_end') AND NOT function.prosecdef
          AND function.pronamespace <> 'forwarder'::regnamespace
    )
$$;

-- A column of a table whose name a rule about columns of some table has, to leave it out or to cover it; or one of those that such a rule alone lets
-- pass, if the table has them all. Null: there is none.
CREATE FUNCTION forwarder.covered_elsewhere(target oid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH present AS MATERIALIZED (
        SELECT attname::text AS name FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped
    ),
    rule AS MATERIALIZED (
        SELECT options -> 'columns' AS columns FROM forwarder.table_rule WHERE options ? 'columns'
    )
    SELECT present.name
    FROM present, rule
    WHERE rule.columns -> 'exclude' ? present.name OR rule.columns -> 'hash' ? present.name
       OR rule.columns -> 'mask' ? present.name OR rule.columns -> 'truncate' ? present.name
       OR rule.columns -> 'include' ? present.name
           AND NOT EXISTS (
               SELECT FROM jsonb_array_elements_text(rule.columns -> 'include') AS listed WHERE listed NOT IN (SELECT name FROM present))
    ORDER BY 1
    LIMIT 1
$$;

-- Captures a table from now on, if the rules select it and nothing more has to be known of it than is here. Returns its id in the registry, or null if it is
-- not captured by this. Anybody who may call this may do so for any table: nothing is captured but what forwarder.table_rule says.
--   * Not a partition, which is its table's matter; not a partitioned table whose owner could not create partitions any more, since these
--     get our triggers, for whose functions the owner needs EXECUTE.
--   * forwarder.watch_triggers() is not called: its lock would last as long as the transaction. What it does not know is no gap.
CREATE FUNCTION forwarder.attach_by_rules(target oid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found record;
    rule record;
    key record;
    captured_id integer;
    wanted jsonb;
BEGIN
    SELECT class.relkind, class.relowner, namespace.nspname, class.relname INTO found
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid = target AND class.relkind IN ('r', 'p') AND class.relpersistence <> 't' AND NOT class.relispartition
      AND namespace.nspname <> ALL ('{forwarder,information_schema}') AND namespace.nspname !~ '^pg_'
      AND NOT EXISTS (
          SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = target AND deptype = 'e')
      AND NOT EXISTS (
          SELECT FROM pg_trigger WHERE tgrelid = target AND tgfoid = ANY (forwarder.row_triggers()))
      AND NOT EXISTS (
          SELECT FROM forwarder.captured_table AS captured
          WHERE captured.relation = target AND captured.removed_at IS NULL
            AND (captured.schema_name, captured.table_name) = (namespace.nspname, class.relname));
    IF found IS NULL THEN
        RETURN NULL;
    END IF;

    SELECT
        count(*) AS matching,
        count(listed.options) AS saying,
        coalesce(max(listed.before_image) FILTER (WHERE listed.options IS NOT NULL), 'full') AS before_image,
        coalesce(jsonb_agg(listed.options) FILTER (WHERE listed.options IS NOT NULL) -> 0, '{}') AS options,
        nullif(jsonb_agg(listed.triggers) FILTER (WHERE listed.options IS NOT NULL) -> 0, 'null') AS triggers
    INTO rule
    FROM forwarder.table_rule AS listed
    WHERE found.nspname::text ~ listed.schema_pattern AND found.relname::text ~ listed.table_pattern
      AND NOT EXISTS (
          SELECT FROM jsonb_array_elements(listed.excluded) AS pair
          WHERE found.nspname::text ~ (pair ->> 0) AND found.relname::text ~ (pair ->> 1));
    -- Of several rules that say something, what they say together is not known here. And a table may be a copy of one whose columns are covered, and
    -- take its name later.
    IF rule.matching = 0 OR rule.saying > 1 OR rule.saying = 1 AND rule.triggers IS NULL
        OR forwarder.covered_elsewhere(target) IS NOT NULL OR NOT forwarder.may_make_triggers() THEN
        RETURN NULL;
    END IF;
    wanted := coalesce(rule.triggers, replace(
        '[{"name": "00_forwarder_capture", "type": 29, "function": "capture", "condition": null, "rules": "full"},
          {"name": "zz_forwarder_truncate", "type": 34, "function": "capture_truncate", "condition": null, "rules": "full"}]',
        'full', rule.before_image)::jsonb);
    IF found.relkind = 'p' AND NOT (
        SELECT bool_and(has_function_privilege(found.relowner, format('forwarder.%I()', definition ->> 'function'), 'EXECUTE'))
        FROM jsonb_array_elements(wanted) AS definition
        WHERE (definition ->> 'type')::integer & 1 = 1
    ) OR forwarder.twin_of(target) IS NOT NULL THEN
        RETURN NULL;
    END IF;

    -- One that had this name and is gone. What came in its place is captured under an id of its own.
    UPDATE forwarder.captured_table AS former
    SET removed_at = now()
    WHERE former.removed_at IS NULL AND (former.schema_name, former.table_name) = (found.nspname, found.relname)
      AND NOT EXISTS (SELECT FROM pg_class WHERE oid = former.relation);
    key := forwarder.key_of_table(target);
    captured_id := forwarder.register(target, rule.before_image, key.key_columns, NULL, rule.options, '[]');
    UPDATE forwarder.captured_table SET triggers = wanted, is_attached = true WHERE id = captured_id;
    PERFORM forwarder.put_trigger(target, definition, ARRAY[captured_id::text, definition ->> 'rules'] || key.key_labels)
    FROM jsonb_array_elements(wanted) AS definition;
    PERFORM forwarder.complete_partition(tree.relid) FROM pg_partition_tree(target) AS tree WHERE found.relkind = 'p' AND tree.isleaf;
    PERFORM forwarder.tell_beginning(captured_id);
    RETURN captured_id;
END
$$;

-- Lets the present owner of a captured partitioned table create partitions, which get our triggers: that takes EXECUTE on their functions. Called by
-- forwarder.attach_created() alone, with its path and rights.
CREATE FUNCTION forwarder.let_owner_make_partitions(target oid) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    grantable record;
BEGIN
    FOR grantable IN
        SELECT DISTINCT trigger.tgfoid::regprocedure AS function, pg_get_userbyid(class.relowner) AS owner
        FROM pg_class AS class
        JOIN pg_trigger AS trigger ON trigger.tgrelid = class.oid AND trigger.tgfoid = ANY (forwarder.row_triggers())
        WHERE class.oid = target AND class.relkind = 'p' AND NOT has_function_privilege(class.relowner, trigger.tgfoid, 'EXECUTE')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', grantable.function, grantable.owner);
    END LOOP;
END
$$;

-- Gives a table that was captured by itself, and had no key, the key that it has now. Called by forwarder.attach_created() alone, with its path and rights.
CREATE FUNCTION forwarder.learn_key(target oid) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    captured record;
    key record := forwarder.key_of_table(target);
BEGIN
    UPDATE forwarder.captured_table AS known
    SET key_columns = key.key_columns
    WHERE known.relation = target AND known.removed_at IS NULL AND known.is_attached AND known.key_columns = '[]' AND key.key_columns <> '[]'
    RETURNING known.id, known.triggers INTO captured;
    PERFORM forwarder.put_trigger(target, definition, ARRAY[captured.id::text, definition ->> 'rules'] || key.key_labels)
    FROM jsonb_array_elements(captured.triggers) AS definition;
END
$$;

-- Sees to the partitions that this transaction has attached to a captured table: gives them the triggers for TRUNCATE, and says in the stream that the rows
-- which they have already were not captured. Called by forwarder.attach_created() alone, with its path and rights. What is told of a partition that was
-- one before is told again by forwarder.watch_triggers(), which sees that it has another trigger.
CREATE FUNCTION forwarder.tell_attached(partitioned oid) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    attached record;
BEGIN
    FOR attached IN
        WITH RECURSIVE member (oid) AS (
            SELECT partitioned
            UNION ALL
            SELECT link.inhrelid
            FROM member
            JOIN pg_inherits AS link ON link.inhparent = member.oid AND NOT link.inhdetachpending
        )
        SELECT member.oid, trigger.captured_id
        FROM member
        JOIN pg_class AS class ON class.oid = member.oid AND class.relkind = 'r'
        CROSS JOIN LATERAL (
            SELECT split_part(encode(found.tgargs, 'escape'), E'\\000', 1)::integer AS captured_id, found.xmin::text::bigint AS xmin
            FROM pg_trigger AS found
            WHERE found.tgrelid = member.oid AND found.tgparentid <> 0 AND found.tgfoid = ANY (forwarder.row_triggers())
            LIMIT 1
        ) AS trigger
        CROSS JOIN (SELECT pg_current_xact_id()::text::bigint AS xact_id) AS present
        -- A row of a transaction that is in progress and that we see is our own. An xid is the lower half of the number of a transaction.
        WHERE pg_xact_status(
            (((xact_id >> 32) << 32) + trigger.xmin - CASE WHEN trigger.xmin > (xact_id & 4294967295) + 1000000000 THEN 4294967296 ELSE 0 END)::text::xid8
        ) = 'in progress'
    LOOP
        PERFORM forwarder.complete_partition(attached.oid);
        IF pg_relation_size(attached.oid) > 0 AND NOT EXISTS (
            SELECT FROM forwarder.outbox AS told
            WHERE told.txid = pg_current_xact_id() AND told.relation = attached.oid AND told.op = 'G'
        ) THEN
            INSERT INTO forwarder.outbox (table_id, relation, op, fault) VALUES (attached.captured_id, attached.oid, 'G', 'capture began');
            PERFORM forwarder.ring();
        END IF;
    END LOOP;
END
$$;

-- A table as schema events tell of it, as a JSON object. `key` is the place of a column in the key, from 1.
CREATE FUNCTION forwarder.described(target oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT json_build_object('schema', namespace.nspname, 'table', class.relname, 'columns', (
        SELECT coalesce(json_agg(json_build_object(
            'name', attribute.attname,
            'type', format_type(attribute.atttypid, attribute.atttypmod),
            'nullable', NOT attribute.attnotnull,
            'key', array_position(key.numbers, attribute.attnum)
        ) ORDER BY attribute.attnum), '[]')
        FROM pg_attribute AS attribute
        WHERE attribute.attrelid = target AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ))::text
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    -- From 1: what int2vector becomes is counted from 0.
    CROSS JOIN LATERAL (SELECT ARRAY(SELECT unnest(forwarder.key_numbers(target)))) AS key (numbers)
    WHERE class.oid = target
$$;

-- Puts a change of kind S(chema) into the outbox for each captured table that is not as it was told last, and for each that is gone; returns how many. Before
-- the first one of a table nothing was told, so that has only what the table is.
--   * `relations`: the tables to look at; null: all. `command`: what has made the change; null: that is not known.
--   * Two at once tell each change once: the one that comes second waits for the row of told_schema, and finds it told.
CREATE FUNCTION forwarder.tell_schemas(relations oid[] DEFAULT NULL, command text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    change record;
    count integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM forwarder.schema_events WHERE is_on) THEN
        RETURN 0;
    END IF;
    FOR change IN
        SELECT captured.id, captured.relation, told.description AS former, forwarder.described(class.oid) AS present
        FROM forwarder.captured_table AS captured
        LEFT JOIN pg_class AS class ON class.oid = captured.relation
        LEFT JOIN forwarder.told_schema AS told ON told.table_id = captured.id
        WHERE captured.removed_at IS NULL AND (relations IS NULL OR captured.relation = ANY (relations))
          -- A table that came with a dump has another oid than the registry says: neither that one nor none is what it is, before `forwarder migrate`.
          AND CASE WHEN class.oid IS NULL
              THEN told.table_id IS NOT NULL AND to_regclass(format('%I.%I', captured.schema_name, captured.table_name)) IS NULL
              ELSE EXISTS (
                  SELECT FROM pg_trigger
                  WHERE tgrelid = class.oid AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = captured.id::text)
          END
        ORDER BY captured.id
    LOOP
        CONTINUE WHEN change.former = change.present;
        IF change.former IS NULL THEN
            INSERT INTO forwarder.told_schema (table_id, description) VALUES (change.id, change.present) ON CONFLICT (table_id) DO NOTHING;
        ELSIF change.present IS NULL THEN
            DELETE FROM forwarder.told_schema AS told WHERE told.table_id = change.id;
        ELSE
            UPDATE forwarder.told_schema AS told SET description = change.present
            WHERE told.table_id = change.id AND told.description = change.former;
        END IF;
        CONTINUE WHEN NOT FOUND;
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after)
        VALUES (
            change.id, change.relation, 'S', change.former,
            '{"command":' || coalesce(to_json(command)::text, 'null') || ',' || substr(change.present, 2));
        count := count + 1;
    END LOOP;
    IF count > 0 THEN
        PERFORM forwarder.ring();
    END IF;
    RETURN count;
END
$$;

-- The functions of event triggers. WHEN OTHERS takes all errors but that the statement is cancelled, or its time is over: whatever goes wrong here, the
-- statement of the application is done, and the listener sees to the rest.

-- For new tables: captures them, and sees to new partitions of captured ones.
CREATE FUNCTION forwarder.attach_created() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
DECLARE
    created record;
BEGIN
    -- What is left to the listener: see may_make_triggers(). In a serializable transaction, what this reads and writes could undo the statement. Who restores a dump that has our triggers turns this off, since
    -- they would be there already.
    IF current_setting('transaction_isolation') = 'serializable' OR current_setting('forwarder.attach', true) = 'off'
        OR NOT forwarder.may_make_triggers()
    THEN
        RETURN;
    END IF;
    FOR created IN
        SELECT class.oid, class.relispartition
        FROM pg_event_trigger_ddl_commands() AS command
        JOIN pg_class AS class ON class.oid = command.objid
        WHERE command.classid = 'pg_class'::regclass AND command.object_type = 'table' AND NOT command.in_extension
          AND class.relpersistence <> 't'
          AND (
              TG_TAG <> 'ALTER TABLE' OR class.relkind = 'p' OR EXISTS (
                  SELECT FROM forwarder.captured_table AS captured
                  WHERE captured.relation = class.oid AND captured.removed_at IS NULL AND captured.is_attached AND captured.key_columns = '[]'))
    LOOP
        -- Without it, whoever creates a table would wait for a migration that is being applied.
        LOCK TABLE forwarder.captured_table IN ROW EXCLUSIVE MODE NOWAIT;
        IF TG_TAG = 'ALTER TABLE' THEN
            PERFORM forwarder.learn_key(created.oid);
            PERFORM forwarder.let_owner_make_partitions(created.oid);
            PERFORM forwarder.tell_attached(created.oid)
            WHERE EXISTS (SELECT FROM pg_trigger WHERE tgrelid = created.oid AND tgfoid = ANY (forwarder.row_triggers()));
        ELSIF created.relispartition THEN
            PERFORM forwarder.complete_partition(created.oid);
        ELSE
            PERFORM forwarder.attach_by_rules(created.oid);
        END IF;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RETURN;
END
$$;

-- For what changes tables: tells what has become of them. A schema that is renamed renames all that is in it.
CREATE FUNCTION forwarder.tell_altered() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
DECLARE
    altered oid[];
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        RETURN;
    END IF;
    altered := ARRAY(
        SELECT captured.relation
        FROM pg_event_trigger_ddl_commands() AS command
        JOIN pg_class AS class ON command.classid = 'pg_class'::regclass AND class.oid = command.objid
            OR command.classid = 'pg_namespace'::regclass AND class.relnamespace = command.objid
        JOIN forwarder.captured_table AS captured ON captured.relation = class.oid AND captured.removed_at IS NULL);
    IF altered <> '{}' THEN
        PERFORM forwarder.tell_schemas(altered, TG_TAG);
    END IF;
EXCEPTION WHEN OTHERS THEN
    RETURN;
END
$$;

-- For what drops tables.
CREATE FUNCTION forwarder.tell_dropped() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
DECLARE
    dropped oid[];
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        RETURN;
    END IF;
    dropped := ARRAY(
        SELECT captured.relation
        FROM pg_event_trigger_dropped_objects() AS object
        JOIN forwarder.captured_table AS captured ON captured.relation = object.objid AND captured.removed_at IS NULL
        WHERE object.classid = 'pg_class'::regclass AND object.objsubid = 0);
    IF dropped <> '{}' THEN
        PERFORM forwarder.tell_schemas(dropped, TG_TAG);
    END IF;
EXCEPTION WHEN OTHERS THEN
    RETURN;
END
$$;
