-- What of a table's rows is captured, and in which form: the options of [[table]].
--
-- PostgreSQL itself sees to which rows are captured, by the events and the conditions (WHEN) of triggers (forwarder/capture/trigger_set.py). In which form they
-- are captured is written in the second argument of the trigger, as JSON, and forwarder.capture_by_rules() reads it. So the rules of a table change in
-- the instant in which its triggers are exchanged; partitions have them with their triggers; and forwarder.capture() stays as it is for
-- all the tables that have none.
--   * A row is treated before it is written anywhere. What a rule covers is in no table of ours, in no index, and in nothing that is logged.
--   * The order of changes is worked out of what is written, in which the key is always there (hashed, if that is the rule).

ALTER TABLE forwarder.captured_table
    -- The options of [[table]] that are not the defaults.
    ADD COLUMN options jsonb NOT NULL DEFAULT '{}',
    -- If there are rules about columns: all columns, as in key_columns.
    ADD COLUMN columns jsonb NOT NULL DEFAULT '[]',
    -- The triggers: name, tgtype, function, condition and rules of each.
    ADD COLUMN triggers jsonb NOT NULL
        DEFAULT '[{"name": "00_forwarder_capture", "type": 29, "function": "capture", "condition": null, "rules": "full"},
                  {"name": "zz_forwarder_truncate", "type": 34, "function": "capture_truncate", "condition": null, "rules": "full"}]',
    DROP CONSTRAINT captured_table_before_image_check,
    ADD CONSTRAINT captured_table_before_image_check CHECK (before_image IN ('full', 'changed', 'key', 'none'));
UPDATE forwarder.captured_table
SET options = '{"before": "none"}', triggers = replace(triggers::text, '"full"', '"none"')::jsonb
WHERE before_image = 'none';

-- What hashed values are salted with. One for the database, so that a value has the same hash wherever it stands.
CREATE TABLE forwarder.salt (
    value   bytea       NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    is_only boolean     NOT NULL DEFAULT true,
    CONSTRAINT salt_pkey PRIMARY KEY (is_only),
    CONSTRAINT salt_is_only_check CHECK (is_only)
);
-- 244 bits of the server's strong random numbers.
INSERT INTO forwarder.salt (value)
VALUES (decode(replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex'));

-- Makes another salt. From then on the hashes are others, and say nothing of which rows they were of before.
CREATE FUNCTION forwarder.rotate_salt() RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE forwarder.salt
    SET value = decode(replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''), 'hex'), made_at = now()
$$;
REVOKE ALL ON FUNCTION forwarder.rotate_salt() FROM PUBLIC;

-- The functions from here to forwarder.capture_by_rules() are called by it alone, with its path and rights.

-- Of two treatments of a column, one for its number and one for its name, the one that shows less.
CREATE FUNCTION forwarder.stricter(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT treatment
    FROM (VALUES ($1), ($2)) AS given (treatment)
    ORDER BY treatment IS NULL, treatment ? 'drop' DESC, treatment ? 'mask' DESC, treatment ? 'hash' DESC, treatment ? 'truncate' DESC, treatment ? 'key' DESC
    LIMIT 1
$$;

-- How each column of a table is treated, by name. `rules` are those of the trigger. Of a column that is not told of, nothing is known: it is withheld.
--   * A rule is for a number and for a name, so that it holds for a column that was renamed, and for one that was dropped and made anew.
--   * Numbers are those of the captured table, `relation` of the rules; a partition may have others. In a table that was restored from a dump
--     the columns are numbered anew. So there only names are known, those of the rules and of the registry, until `forwarder migrate` has seen it.
--   * Read with the rights of the schema's owner: the trigger may not read the registry. What a snapshot is too old for is not in need of it.
--   * The names that a snapshot sees may be older than the rows, so each column has the name of this moment. Which column of a partition is which
--     of its table is told by the older names, that both have in one snapshot.
CREATE FUNCTION forwarder.treatments(rules jsonb, captured_id integer, relation oid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE ancestor (oid) AS (
        -- What pg_inherits says of this moment, and of the snapshot: a partition that is being detached has the trigger to the end.
        SELECT found.relid::oid FROM pg_partition_ancestors($3) AS found
        UNION
        SELECT $3
        UNION
        SELECT link.inhparent FROM ancestor JOIN pg_inherits AS link ON link.inhrelid = ancestor.oid
    )
    SELECT jsonb_object_agg(latest.name, known.treatment)
    FROM pg_attribute AS theirs
    CROSS JOIN LATERAL (
        SELECT (pg_identify_object_as_address('pg_class'::regclass, $3, theirs.attnum)).object_names[3] AS name
    ) AS latest
    LEFT JOIN pg_attribute AS ours
        ON ours.attrelid = ($1 ->> 'relation')::oid AND ours.attname = theirs.attname AND ours.attnum > 0 AND NOT ours.attisdropped
        AND ours.attrelid IN (SELECT ancestor.oid FROM ancestor)
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN ours.attnum IS NOT NULL
            THEN coalesce(forwarder.stricter($1 -> 'numbers' -> ours.attnum::text, $1 -> 'names' -> latest.name), $1 -> 'others')
            WHEN $1 -> 'names' ? latest.name
            THEN $1 -> 'names' -> latest.name
            WHEN EXISTS (
                SELECT FROM forwarder.captured_table AS captured, jsonb_array_elements(captured.columns) AS registered
                WHERE captured.id = $2 AND registered -> 'names' ? latest.name)
            THEN $1 -> 'others'
        END AS treatment
    ) AS known
    WHERE theirs.attrelid = $3 AND theirs.attnum > 0 AND NOT theirs.attisdropped AND latest.name IS NOT NULL AND known.treatment IS NOT NULL
$$;

-- The rules of a trigger as forwarder.capture_by_rules() needs them: with how each column is treated, if there are rules about columns or images.
CREATE FUNCTION forwarder.resolved(rules text, captured_id integer, relation oid) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN $1::jsonb ? 'others'
        THEN ($1::jsonb - '{relation,numbers,names,others}'::text[]) || jsonb_build_object('columns', forwarder.treatments($1::jsonb, $2, $3))
        ELSE $1::jsonb
    END
$$;

-- The same of all triggers of a table, by their rules: a constant in a plan, see forwarder.needs_of(). Null if it cannot be told.
CREATE FUNCTION forwarder.rules_of(row_value anyelement) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation oid := forwarder.table_of(row_value);
    names text[];
    found jsonb;
BEGIN
    -- The names that the rows have now. No value is looked at, which might run the code of its type.
    row_value := NULL;
    EXECUTE 'SELECT ARRAY(SELECT json_object_keys(row_to_json(columns))) FROM (SELECT ($1).*) AS columns' INTO names USING row_value;
    found := (
        SELECT jsonb_object_agg(argument.rules, forwarder.resolved(argument.rules, arguments[1]::integer, relation))
        FROM pg_trigger
        CROSS JOIN LATERAL string_to_array(encode(tgargs, 'escape'), E'\\000') AS arguments
        CROSS JOIN LATERAL convert_from(decode(arguments[2], 'escape'), getdatabaseencoding()) AS argument (rules)
        WHERE tgrelid = relation AND tgfoid = to_regproc('forwarder.capture_by_rules')
    );
    -- A snapshot may be too old to know a column, and the plan may last as long as the session.
    IF EXISTS (SELECT FROM jsonb_each(found) WHERE value ? 'columns' AND NOT value -> 'columns' ?& names) THEN
        RETURN NULL;
    END IF;
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- The rules of this trigger, if the plan has them: what they were made of is as it is now. As in forwarder.is_plain(), the oid stays in the plan.
CREATE FUNCTION forwarder.planned_rules(relation oid, table_of_plan oid, rules_of_table jsonb, rules text) RETURNS jsonb
LANGUAGE sql STABLE
AS $$SELECT CASE WHEN $2 = $1 THEN $3 -> $4 END$$;

-- A value as its column is treated. Null stays null.
CREATE FUNCTION forwarder.treated(value json, treatment jsonb) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    -- A type of PostgreSQL's own, whoever calls it first in a session.
    content pg_catalog.text;
    salt pg_catalog.bytea;
BEGIN
    IF treatment - 'key' = '{}' OR json_typeof(value) = 'null' THEN
        RETURN value;
    ELSIF treatment ? 'mask' THEN
        RETURN treatment -> 'mask';
    END IF;
    content := value #>> '{}';
    IF treatment ? 'truncate' THEN
        RETURN to_json(left(content, (treatment ->> 'truncate')::integer));
    END IF;
    IF json_typeof(value) = 'number' THEN
        -- 1.0 and 1.00 are one key.
        content := trim_scale(content::numeric);
    END IF;
    SELECT given.value INTO salt FROM forwarder.salt AS given;
    IF salt IS NULL THEN
        -- The snapshot of the transaction is older than the salt.
        RAISE 'no salt' USING ERRCODE = 'no_data_found';
    END IF;
    RETURN to_json(encode(sha256(salt || convert_to(content, getdatabaseencoding())), 'hex'));
END
$$;

-- Images as the rules have them, and the members that tell of it: the columns of an update that differ (`changed`), and those that are withheld since
-- nothing is known of them. The columns of the key go first, in their order. An update that changes the key becomes a delete and an insert, which
-- `changed` leaves whole: who has the row under its new key has not had it before.
--   * In PL/pgSQL, which keeps the plan: an SQL function is planned anew for each row before PostgreSQL 18, and looked up anew since.
CREATE FUNCTION forwarder.shaped(
    old_image text, new_image text, rules jsonb, OUT old_shape text, OUT new_shape text, OUT members text
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    columns pg_catalog.jsonb := rules -> 'columns';
    before pg_catalog.text := coalesce(rules ->> 'before', 'full');
    after pg_catalog.text := coalesce(rules ->> 'after', 'full');
    is_update boolean := old_image IS NOT NULL AND new_image IS NOT NULL;
BEGIN
    WITH member AS MATERIALIZED (
        SELECT
            to_json(name)::text || ':' AS label,
            CASE WHEN is_sent AND NOT is_plain THEN forwarder.treated(old_value, treatment) ELSE old_value::text END AS old_value,
            CASE WHEN is_sent AND NOT is_plain THEN forwarder.treated(new_value, treatment) ELSE new_value::text END AS new_value,
            treatment IS NULL AS is_withheld,
            is_sent,
            key_place IS NOT NULL AS is_key,
            is_update AND old_value::text IS DISTINCT FROM new_value::text AS differs,
            key_place,
            place
        FROM ROWS FROM (json_each(old_image::json), json_each(new_image::json))
            WITH ORDINALITY AS pair (old_name, old_value, new_name, new_value, place)
        CROSS JOIN LATERAL (SELECT coalesce(new_name, old_name) AS name, columns -> coalesce(new_name, old_name) AS treatment OFFSET 0) AS known
        CROSS JOIN LATERAL (
            SELECT
                (treatment ->> 'key')::integer AS key_place,
                treatment IS NOT NULL AND NOT treatment ? 'drop' AS is_sent,
                treatment = '{}' OR treatment - 'key' = '{}' AS is_plain
        ) AS told
        ORDER BY key_place, place
    ),
    chosen AS (
        SELECT
            *,
            -- The first one is of the key, if any is.
            bool_or(is_key AND differs) OVER () AS is_moved
        FROM member
    )
    SELECT
        CASE WHEN old_image IS NOT NULL THEN
            '{' || coalesce(string_agg(label || chosen.old_value, ',') FILTER (
                WHERE is_sent AND (
                    is_key OR CASE before
                        WHEN 'full' THEN true
                        WHEN 'changed' THEN differs OR is_moved OR new_image IS NULL
                        ELSE false
                    END)), '') || '}'
        END,
        CASE WHEN new_image IS NOT NULL THEN
            '{' || coalesce(string_agg(label || chosen.new_value, ',') FILTER (
                WHERE is_sent AND (
                    is_key OR CASE after
                        WHEN 'full' THEN true
                        WHEN 'changed' THEN differs OR is_moved OR old_image IS NULL
                        ELSE false
                    END)), '') || '}'
        END,
        concat_ws(
            ',',
            CASE WHEN is_update AND 'changed' IN (before, after) THEN
                '"changed":[' || coalesce(string_agg(rtrim(label, ':'), ',') FILTER (WHERE is_sent AND differs), '') || ']'
            END,
            '"withheld":[' || string_agg(rtrim(label, ':'), ',') FILTER (WHERE is_withheld) || ']')
    INTO old_shape, new_shape, members
    FROM chosen;
END
$$;

-- Who made a change, from where and when: the member `audit` of its record. The role is the one of SET ROLE; what a function does that runs with its
-- owner's rights is told of whoever called it.
CREATE FUNCTION forwarder.audit(with_statement boolean) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT '"audit":' || json_strip_nulls(json_build_object(
        'user', session_user,
        'role', coalesce(nullif(current_setting('role'), 'none'), session_user),
        'application', current_setting('application_name'),
        'client', host(inet_client_addr()) || ':' || inet_client_port(),
        'pid', pg_backend_pid(),
        -- As %c in the log of PostgreSQL. Null unless the owner of forwarder.capture() may see the sessions of others (pg_read_all_stats).
        'session', (
            SELECT to_hex(trunc(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid)
            FROM pg_stat_get_activity(pg_backend_pid())
        ),
        'transaction_at', to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'statement_at', to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'depth', pg_trigger_depth(),
        'database', current_database(),
        'server_version', current_setting('server_version'),
        -- Its beginning: each row that a statement changes has it, and a load may be one statement of many megabytes.
        'statement', CASE WHEN $1 THEN left(current_query(), 8192) END
    ))::text
$$;

-- What forwarder.write_in_order() of 0026_lives.sql did, for the trigger of rules, too: with the context and the extra members of the record.
--   * An update that is not captured leads from one version to the next all the same. So it is noted (NOTE) where it replaces a version of its own
--     transaction, or what comes after it in the life of its row would not be found.
CREATE FUNCTION forwarder.write_change(
    operation text,
    relation oid,
    arguments text[],
    old_image text,
    new_image text,
    fault text,
    old_place tid,
    new_place tid,
    old_command bigint,
    new_is_replaced boolean,
    context text,
    extra text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id integer := arguments[0];
    old_key text;
    new_key text;
    call_stack text;
    -- States. Only a version that is ours can have been made by a change that is captured later.
    old_version bigint;
    new_version bigint := forwarder.version_state(relation, new_place);
    freed_key bigint;
    taken_key bigint;
    later text[];
    line text;
    rest record;
    moved record;
    -- Of these, what nobody will look for any more.
    settled text[] := '{}';
    written_seq bigint;
    leaf oid;
    place tid;
    is_set text;
BEGIN
    IF operation = 'UPDATE' THEN
        -- Nearly all keys are told to be equal like this; only the others are worth a call.
        IF NOT (starts_with(new_image, arguments[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1)) THEN
            moved := forwarder.keys_if_moved(arguments, old_image, new_image);
            old_key := moved.old_key;
            new_key := moved.new_key;
        END IF;
    END IF;
    IF old_command IS NOT NULL AND NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
        -- If the beginning of a life is noted, so must be its end.
        IF forwarder.is_noted('forwarder.keys_taken_in', arguments[0]) THEN
            PERFORM forwarder.note('forwarder.versions_replaced_in', arguments[0]);
        ELSE
            -- Below the trigger function it has what runs the statement, if that is not the client's own. That one runs in no other, so that no change
            -- will come that was before it.
            GET DIAGNOSTICS call_stack = PG_CONTEXT;
            IF call_stack ~ E'forwarder\\.capture(_by_rules)?\\(\\)[^\n]*\n' THEN
                PERFORM forwarder.note('forwarder.versions_replaced_in', arguments[0]);
            END IF;
        END IF;
    END IF;
    IF old_command IS NOT NULL AND forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
        old_version := forwarder.version_state(relation, old_place);
    END IF;
    IF operation = 'NOTE' THEN
        written_seq := nextval('forwarder.outbox_seq');
        IF old_version IS NOT NULL THEN
            is_set := forwarder.note_change(old_version, written_seq, 'N', new_version, NULL, captured_id::oid, NULL);
        END IF;
    END IF;
    IF operation = 'DELETE' OR old_key IS NOT NULL THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault, context, extra)
        VALUES (captured_id, write_change.relation, 'D', old_image, new_key, write_change.fault, write_change.context, write_change.extra)
        RETURNING seq, tableoid, ctid INTO written_seq, leaf, place;
        IF old_version IS NOT NULL OR forwarder.is_noted('forwarder.keys_taken_in', arguments[0]) THEN
            freed_key := forwarder.key_state(relation, arguments, old_image);
        END IF;
        IF old_version IS NOT NULL THEN
            is_set := forwarder.note_change(old_version, written_seq, 'D', freed_key, old_command, leaf, place);
        END IF;
        IF forwarder.is_noted('forwarder.keys_taken_in', arguments[0]) THEN
            later := forwarder.later_lives(freed_key, old_command, written_seq);
        END IF;
    END IF;
    IF operation = 'INSERT' OR old_key IS NOT NULL THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault, context, extra)
        VALUES (captured_id, write_change.relation, 'I', old_key, new_image, write_change.fault, write_change.context, write_change.extra)
        RETURNING seq, tableoid, ctid INTO written_seq, leaf, place;
        IF pg_trigger_depth() > 1 OR forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
            PERFORM forwarder.note('forwarder.keys_taken_in', arguments[0]);
            taken_key := forwarder.key_state(relation, arguments, new_image);
            IF taken_key IS NOT NULL THEN
                is_set := forwarder.note_change(taken_key, written_seq, 'I', new_version, NULL, leaf, place);
            END IF;
        END IF;
    ELSIF operation = 'UPDATE' THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault, context, extra)
        VALUES (
            captured_id, write_change.relation, 'U', CASE WHEN arguments[1] = 'full' THEN old_image END, new_image, write_change.fault,
            write_change.context, write_change.extra)
        RETURNING seq, tableoid, ctid INTO written_seq, leaf, place;
        IF old_version IS NOT NULL THEN
            is_set := forwarder.note_change(old_version, written_seq, 'U', new_version, NULL, leaf, place);
        END IF;
    END IF;
    IF operation <> 'DELETE' AND new_is_replaced AND forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
        rest := forwarder.rest_of_life(new_version);
        later := later || rest.lines || forwarder.later_lives(rest.freed_key, rest.command, written_seq);
        -- Each of these follows the one before it, and the first follows a version of another transaction: nothing can come between.
        IF operation = 'UPDATE' AND old_key IS NULL AND old_command IS NULL THEN
            settled := rest.lines;
        END IF;
    END IF;

    IF later <> '{}' THEN
        FOR line IN SELECT listed FROM unnest(later) AS listed ORDER BY split_part(listed, ' ', 2)::bigint LOOP
            PERFORM forwarder.move_to_end(line, line = ANY (settled));
        END LOOP;
    END IF;
END
$$;

-- As in 0026_lives.sql.
CREATE OR REPLACE FUNCTION forwarder.write_in_order(
    operation text,
    relation oid,
    arguments text[],
    old_image text,
    new_image text,
    fault text,
    old_place tid,
    new_place tid,
    old_command bigint,
    new_is_replaced boolean
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM forwarder.write_change(
        operation, relation, arguments, old_image, new_image, fault, old_place, new_place, old_command, new_is_replaced,
        current_setting('forwarder.context', true), NULL);
END
$$;

-- Writes a change as the rules of its table have it. What it does in all else is what forwarder.capture_in_order() of 0026_lives.sql does.
--   * What is inserted into an application's outbox is an event, not a row, and never changes.
--   * Images are made whole, and then treated, in memory. An error in either leaves the change without images.
CREATE FUNCTION forwarder.capture_shaped(
    operation text,
    relation oid,
    arguments text[],
    rules jsonb,
    old_row record,
    new_row record,
    old_place tid,
    new_place tid,
    old_command bigint,
    new_is_replaced boolean,
    strange_types oid[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    images text[];
    old_image text;
    new_image text;
    conversion_error text;
    members text;
    -- Whether the session ends at any error, also at one that is caught.
    ends_at_errors boolean;
    is_usual boolean;
    context text := CASE WHEN rules -> 'context' IS NULL THEN current_setting('forwarder.context', true) END;
BEGIN
    images := CASE
        WHEN strange_types = '{}' THEN forwarder.images(old_row, new_row, forwarder.max_image_bytes())
        ELSE forwarder.images_unless_strange(strange_types, relation, old_row, new_row)
    END;
    old_image := images[1];
    new_image := images[2];
    conversion_error := images[3];
    images := NULL;
    IF conversion_error IS NULL AND (old_image IS NULL AND operation <> 'INSERT' OR new_image IS NULL AND operation <> 'DELETE') THEN
        conversion_error := '54000';
    END IF;
    IF conversion_error IS NOT NULL THEN
        old_image := NULL;
        new_image := NULL;
    ELSIF rules ? 'columns' THEN
        ends_at_errors := current_setting('exit_on_error');
        BEGIN
            IF ends_at_errors THEN
                PERFORM set_config('exit_on_error', 'off', true);
            END IF;
            SELECT * INTO STRICT old_image, new_image, members FROM forwarder.shaped(old_image, new_image, rules);
            IF ends_at_errors THEN
                PERFORM set_config('exit_on_error', 'on', true);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            old_image := NULL;
            new_image := NULL;
            conversion_error := SQLSTATE;
        END;
    END IF;
    IF rules ? 'audit' THEN
        members := concat_ws(',', nullif(members, ''), forwarder.audit(rules -> 'audit' <> 'true'));
    END IF;
    members := nullif(members, '');

    IF operation = 'UPDATE' THEN
        is_usual := conversion_error IS NULL AND old_command IS NULL
            AND (NOT new_is_replaced OR NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]))
            AND (
                cardinality(arguments) = 2
                OR starts_with(new_image, arguments[2]) AND split_part(rtrim(new_image, '}'), ',"', 1) = split_part(rtrim(old_image, '}'), ',"', 1)
            );
        IF is_usual AND arguments[1] <> 'full' THEN
            old_image := NULL;
        END IF;
    ELSIF operation = 'INSERT' THEN
        -- A row that comes to meet a condition has an old version, which this transaction may have made.
        is_usual := conversion_error IS NULL AND old_command IS NULL AND pg_trigger_depth() = 1
            AND NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]);
    ELSE
        is_usual := conversion_error IS NULL AND old_command IS NULL AND NOT forwarder.is_noted('forwarder.keys_taken_in', arguments[0]);
    END IF;

    IF is_usual OR rules ->> 'as' = 'EVENT' THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault, context, extra)
        VALUES (
            arguments[0]::integer, capture_shaped.relation, CASE rules ->> 'as' WHEN 'EVENT' THEN 'E' ELSE operation END::"char", old_image, new_image,
            conversion_error, context, members);
    ELSE
        PERFORM forwarder.write_change(
            operation, relation, arguments, old_image, new_image, conversion_error, old_place, new_place, old_command, new_is_replaced,
            context, members);
    END IF;
    RETURN true;
END
$$;

-- The trigger function of tables that have rules. Its second argument are these, as JSON; the others are as those of forwarder.capture().
CREATE FUNCTION forwarder.capture_by_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'GMT'
AS $$
DECLARE
    captured_id integer := TG_ARGV[0];
    rules jsonb;
    arguments text[] := TG_ARGV;
    strange_types oid[];
    is_written boolean;
BEGIN
    IF captured_id = ANY (forwarder.paused_tables()) THEN
        RETURN NULL;
    END IF;
    PERFORM forwarder.ring();

    rules := coalesce(
        forwarder.planned_rules(
            TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.rules_of(CASE WHEN false THEN NEW END), TG_ARGV[1]),
        forwarder.resolved(TG_ARGV[1], captured_id, TG_RELID));
    -- What the functions that work out the order want to know: whether an update keeps the old row.
    arguments[1] := CASE WHEN rules ->> 'before' = 'none' THEN 'none' ELSE 'full' END;
    -- As in forwarder.capture().
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
    -- To those who are told only of rows that meet a condition, an update may be that one has come or gone.
    IF rules ->> 'as' = 'NOTE' THEN
        PERFORM forwarder.write_change(
            'NOTE', TG_RELID, arguments, NULL, NULL, NULL, OLD.ctid, NEW.ctid, forwarder.replaced_by(OLD.xmin, OLD.cmax), NEW.xmax <> 0, NULL, NULL);
    ELSIF rules ->> 'as' = 'INSERT' THEN
        is_written := forwarder.capture_shaped(
            'INSERT', TG_RELID, arguments, rules, NULL, NEW, NULL, NEW.ctid, forwarder.replaced_by(OLD.xmin, OLD.cmax), NEW.xmax <> 0, strange_types);
    ELSIF rules ->> 'as' = 'DELETE' THEN
        is_written := forwarder.capture_shaped(
            'DELETE', TG_RELID, arguments, rules, OLD, NULL, OLD.ctid, NULL, forwarder.replaced_by(OLD.xmin, OLD.cmax), false, strange_types);
    ELSE
        is_written := forwarder.capture_shaped(
            TG_OP, TG_RELID, arguments, rules, OLD, NEW, OLD.ctid, NEW.ctid, forwarder.replaced_by(OLD.xmin, OLD.cmax), NEW.xmax <> 0, strange_types);
    END IF;
    RETURN NULL;
END
$$;

-- As in 0021_definitions.sql, with the options, and the columns that rules were made of.
DROP FUNCTION forwarder.register(regclass, text, jsonb, integer);
CREATE FUNCTION forwarder.register(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL,
    options       jsonb DEFAULT '{}',
    columns       jsonb DEFAULT '[]'
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
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
        options = register.options,
        columns = register.columns,
        removed_at = NULL
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid = target AND captured.id = captured_id;
    RETURN captured_id;
END
$$;

-- As in 0025_lockless.sql, for any trigger. Those of statements that are captured at once (0034_statement.sql) are handed their rows. One for rows is,
-- too: PostgreSQL hands the rows that a cascade deletes after its first call to another call of the trigger for statements.
DROP FUNCTION forwarder.put_trigger(regclass, text, text, text, text[]);
CREATE FUNCTION forwarder.put_trigger(relation regclass, definition jsonb, arguments text[]) RETURNS void
LANGUAGE plpgsql
-- So that a regclass is written with its schema; and what a condition names is PostgreSQL's own, or named with its schema.
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name name := definition ->> 'name';
    type integer := definition ->> 'type';
    member regclass;
    -- Where somebody has chosen that changes applied by replication are captured too: of this table and its partitions. Replacing a trigger resets that
    -- on all of them; and a trigger that options add does as the first one of the table.
    always regclass[] := ARRAY(
        WITH RECURSIVE found AS (
            SELECT relation::oid AS oid
            UNION ALL
            SELECT link.inhrelid
            FROM found
            JOIN pg_class AS class ON class.oid = found.oid AND class.relkind = 'p' AND type & 1 <> 0
            JOIN pg_inherits AS link ON link.inhparent = found.oid
        )
        SELECT DISTINCT tgrelid::regclass
        FROM found
        JOIN pg_trigger ON tgrelid = found.oid AND tgenabled = 'A' AND (
            tgname = name
            OR tgname = '00_forwarder_capture' AND type & 32 = 0
            OR tgname = '00_forwarder_truncate' AND type & 32 <> 0 AND tgqual IS NULL)
    );
BEGIN
    -- Bits of tgtype: 1 is a trigger for rows, 2 a BEFORE trigger, 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE.
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER %I %s %s ON %s %s FOR EACH %s %s EXECUTE FUNCTION forwarder.%I(%s)',
        name,
        CASE WHEN type & 2 = 0 THEN 'AFTER' ELSE 'BEFORE' END,
        concat_ws(
            ' OR ', CASE WHEN type & 4 <> 0 THEN 'INSERT' END, CASE WHEN type & 8 <> 0 THEN 'DELETE' END,
            CASE WHEN type & 16 <> 0 THEN 'UPDATE' END, CASE WHEN type & 32 <> 0 THEN 'TRUNCATE' END),
        relation,
        CASE WHEN definition ->> 'function' IN ('capture_in_statement', 'capture_statement') THEN
            CASE WHEN type & 4 <> 0 THEN 'REFERENCING NEW TABLE AS new_rows' ELSE 'REFERENCING OLD TABLE AS old_rows' END
        END,
        CASE WHEN type & 1 <> 0 THEN 'ROW' ELSE 'STATEMENT' END,
        'WHEN (' || (definition ->> 'condition') || ')',
        definition ->> 'function',
        (
            SELECT string_agg(quote_literal(listed.argument), ', ' ORDER BY listed.place)
            FROM unnest(arguments) WITH ORDINALITY AS listed (argument, place)
        ));
    FOREACH member IN ARRAY always LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', member, name);
    END LOOP;
END
$$;

-- As in 0025_lockless.sql, with the triggers that the options ask for. Whoever calls this for a table that is registered has to call
-- forwarder.watch_triggers() before it, and before triggers are dropped that are not wanted any more: what is missing after that is no gap.
DROP FUNCTION forwarder.install(regclass, text, jsonb, integer, text[]);
CREATE FUNCTION forwarder.install(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL,
    key_labels    text[] DEFAULT '{}',
    options       jsonb DEFAULT '{}',
    columns       jsonb DEFAULT '[]',
    triggers      jsonb DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id integer;
    key_arguments text[] := CASE
        WHEN key_columns = '[]' THEN '{}'
        WHEN key_labels = '{}' THEN ARRAY[' ']
        ELSE key_labels
    END;
    definition jsonb;
BEGIN
    captured_id := forwarder.register(target, before_image, key_columns, registered_id, options, columns);
    UPDATE forwarder.captured_table AS captured
    SET triggers = coalesce(install.triggers, replace(
        '[{"name": "00_forwarder_capture", "type": 29, "function": "capture", "condition": null, "rules": "full"},
          {"name": "zz_forwarder_truncate", "type": 34, "function": "capture_truncate", "condition": null, "rules": "full"}]',
        'full', install.before_image)::jsonb)
    WHERE id = captured_id
    RETURNING captured.triggers INTO triggers;
    -- Those for rows first: with the lock that this takes, on the partitions too, there are no others by then than those that are found here.
    FOR definition IN
        SELECT listed FROM jsonb_array_elements(triggers) AS listed ORDER BY (listed ->> 'type')::integer & 1 DESC
    LOOP
        PERFORM forwarder.put_trigger(member.relation, definition, ARRAY[captured_id::text, definition ->> 'rules'] || key_arguments)
        FROM (
            WITH RECURSIVE found AS (
                SELECT class.oid, class.relkind FROM pg_class AS class WHERE class.oid = target
                UNION ALL
                SELECT class.oid, class.relkind
                FROM found
                JOIN pg_inherits AS link ON link.inhparent = found.oid AND NOT link.inhdetachpending
                JOIN pg_class AS class ON class.oid = link.inhrelid
                WHERE found.relkind = 'p' AND (definition ->> 'type')::integer & 1 = 0
            )
            SELECT found.oid::regclass AS relation FROM found WHERE found.oid = target OR found.relkind = 'r'
        ) AS member;
    END LOOP;
    PERFORM forwarder.retire_truncate_trigger(trigger.tgrelid)
    FROM pg_trigger AS trigger
    WHERE trigger.tgname = '00_forwarder_truncate' AND trigger.tgfoid = 'forwarder.capture'::regproc AND trigger.tgqual IS NULL
      AND split_part(encode(trigger.tgargs, 'escape'), E'\\000', 1) = captured_id::text;
    PERFORM forwarder.watch_triggers(captured_id, after_change => true);
    RETURN captured_id;
END
$$;

-- Puts out of use the trigger for TRUNCATE that earlier releases made on a table. ALTER TABLE with DISABLE TRIGGER would ask for the rights of the
-- table's owner, and ENABLE TRIGGER ALL would undo it.
CREATE FUNCTION forwarder.retire_truncate_trigger(relation regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    argument_list text := (
        SELECT string_agg(quote_literal(convert_from(decode(argument, 'escape'), getdatabaseencoding())), ', ' ORDER BY place)
        FROM pg_trigger
        CROSS JOIN LATERAL string_to_table(encode(tgargs, 'escape'), E'\\000') WITH ORDINALITY AS listed (argument, place)
        WHERE tgrelid = relation AND tgname = '00_forwarder_truncate' AND place <= tgnargs
    );
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER "00_forwarder_truncate" AFTER TRUNCATE ON %s FOR EACH STATEMENT WHEN (false)'
        ' EXECUTE FUNCTION forwarder.capture(%s)', relation, argument_list);
END
$$;

-- As in 0025_lockless.sql. But the triggers are those that the registry says, for rows and for TRUNCATE. The one for TRUNCATE is the new one; where
-- there is none, that of an earlier release, if it has no condition. Both are returned under the name of the old one, which
-- forwarder.watched_trigger has of it: so the exchange is not taken for a gap.
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
                AND trigger.tgfoid = ANY (forwarder.row_triggers()))
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
            trigger.tgenabled IN ('O', 'A') AND cardinality(trigger.tgattr) = 0 AND trigger.tgtype = expected.type
            AND (trigger.tgqual IS NULL) = (expected.condition IS NULL)
            AND split_part(encode(trigger.tgargs, 'escape'), E'\\000', 1) = member.id::text, false)
    FROM member
    JOIN forwarder.captured_table AS captured ON captured.id = member.id
    CROSS JOIN LATERAL (
        SELECT
            CASE listed.name WHEN 'zz_forwarder_truncate' THEN '00_forwarder_truncate' ELSE listed.name END AS name,
            listed.name AS present_name,
            listed.type,
            listed.condition,
            to_regproc(format('forwarder.%I', listed.function)) AS function
        FROM jsonb_to_recordset(captured.triggers) AS listed (name text, type integer, function text, condition text)
        UNION ALL
        SELECT '00_forwarder_truncate', '00_forwarder_truncate', 32, NULL, to_regproc('forwarder.capture')
        WHERE captured.triggers @> '[{"name": "zz_forwarder_truncate"}]'
    ) AS expected
    -- OFFSET 0: by the index, however many there are.
    LEFT JOIN LATERAL (
        SELECT found.*, found.xmin
        FROM pg_trigger AS found
        WHERE found.tgrelid = member.oid AND found.tgname = expected.present_name AND found.tgfoid = expected.function
          AND (expected.type <> 32 OR found.tgqual IS NULL)
        OFFSET 0
    ) AS trigger ON true
    WHERE expected.type & 1 = 1 OR member.is_root OR member.relkind = 'r'
    ORDER BY member.oid, expected.name, member.is_root DESC, member.id, trigger.oid IS NULL, expected.type DESC;
END
$$;

-- As in 0024_foreign_code.sql. But whatever fills the outbox goes where forwarder.capture() goes.
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
    FOR routine IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'forwarder'::regnamespace
          AND proname IN (
              'capture', 'capture_by_rules', 'capture_in_statement', 'capture_statement', 'capture_truncate', 'emit')
    LOOP
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

-- As forwarder.capture_truncate() in 0030_truncate.sql.
DO $$
DECLARE
    capture_owner name := (
        SELECT pg_catalog.pg_get_userbyid(proowner) FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc);
    may_create boolean := pg_catalog.has_schema_privilege(capture_owner, 'forwarder', 'CREATE');
    called regprocedure;
BEGIN
    FOR called IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace
          AND proname IN (
              'audit', 'capture_by_rules', 'capture_shaped', 'install', 'planned_rules', 'put_trigger', 'register', 'resolved',
              'retire_truncate_trigger', 'rules_of', 'shaped', 'stricter', 'treated', 'treatments', 'write_change')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called);
    END LOOP;
    FOR called IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace
          AND proname IN (
              'audit', 'capture_shaped', 'planned_rules', 'resolved', 'rules_of', 'shaped', 'treated', 'treatments', 'write_change')
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %I', called, capture_owner);
    END LOOP;
    EXECUTE pg_catalog.format('GRANT SELECT ON forwarder.salt TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA forwarder TO %I', capture_owner);
    END IF;
    EXECUTE pg_catalog.format('ALTER FUNCTION forwarder.capture_by_rules() OWNER TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA forwarder FROM %I', capture_owner);
    END IF;
END
$$;
