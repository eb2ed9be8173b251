-- The columns of captured tables and their types, kept for when they are gone: rows that were captured before a column was renamed or dropped, or before
-- their table was dropped, are delivered with values of the right types all the same.

-- A row for each table whose columns were looked up: by `forwarder migrate`, by a listener with a format that depends on types, or when the table was
-- captured by itself. Rows stay: changes of a table that is gone may be replayed for as long as they are retained.
CREATE TABLE forwarder.known_columns (
    -- forwarder.captured_table.id.
    table_id integer NOT NULL,
    -- As sql/queries/capture/columns.sql returns it.
    columns  jsonb   NOT NULL,
    CONSTRAINT known_columns_pkey PRIMARY KEY (table_id)
);

-- The columns that captured tables have, a JSON array in their order for each table.
--   * The type of a column of a domain is the one that the domain is made of, and that of an array is the type of its elements.
--   * A table is looked at only if it has our trigger with its id: else the oid may be that of another table (after a restore).
--   * `ids`: of captured_table, the tables to look at; null: all.
CREATE FUNCTION forwarder.present_columns(ids integer[]) RETURNS TABLE (table_id integer, columns jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE resolved AS (
        SELECT
            captured.id, attribute.attnum, attribute.attname, attribute.atttypid AS type, attribute.atttypmod AS modifier, false AS is_array, 0 AS step
        FROM forwarder.captured_table AS captured
        JOIN pg_catalog.pg_trigger AS trigger
            ON trigger.tgrelid = captured.relation
            AND trigger.tgname = '00_forwarder_capture'
            AND split_part(encode(trigger.tgargs, 'escape'), E'\\000', 1) = captured.id::text
        JOIN pg_catalog.pg_attribute AS attribute
            ON attribute.attrelid = captured.relation
            AND attribute.attnum > 0
            AND NOT attribute.attisdropped
        WHERE present_columns.ids IS NULL OR captured.id = ANY (present_columns.ids)
        UNION ALL
        SELECT
            resolved.id,
            resolved.attnum,
            resolved.attname,
            CASE WHEN type.typtype = 'd' THEN type.typbasetype ELSE type.typelem END,
            CASE WHEN type.typtype = 'd' AND resolved.modifier = -1 THEN type.typtypmod ELSE resolved.modifier END,
            resolved.is_array OR type.typtype <> 'd',
            resolved.step + 1
        FROM resolved
        JOIN pg_catalog.pg_type AS type ON type.oid = resolved.type
        WHERE type.typtype = 'd' OR type.typsubscript = 'pg_catalog.array_subscript_handler'::regproc
    )
    SELECT
        found.id,
        jsonb_agg(
            jsonb_build_object(
                'name', forwarder.legible(found.attname::text),
                'type', jsonb_build_object(
                    'schema', forwarder.legible(namespace.nspname::text),
                    'name', forwarder.legible(type.typname::text),
                    'kind', type.typtype,
                    'modifier', found.modifier,
                    'is_array', found.is_array
                )
            )
            ORDER BY found.attnum
        )
    FROM (SELECT DISTINCT ON (id, attnum) * FROM resolved ORDER BY id, attnum, step DESC) AS found
    JOIN pg_catalog.pg_type AS type ON type.oid = found.type
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = type.typnamespace
    GROUP BY found.id
$$;

-- As in 0033_attach.sql, and what is said there holds. It also keeps the columns of the table.
CREATE OR REPLACE FUNCTION forwarder.attach_by_rules(target oid) RETURNS integer
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
    -- Now, since the transaction that has created the table may drop it again.
    INSERT INTO forwarder.known_columns (table_id, columns) SELECT * FROM forwarder.present_columns(ARRAY[captured_id]);
    PERFORM forwarder.complete_partition(tree.relid) FROM pg_partition_tree(target) AS tree WHERE found.relkind = 'p' AND tree.isleaf;
    PERFORM forwarder.tell_beginning(captured_id);
    RETURN captured_id;
END
$$;

REVOKE ALL ON FUNCTION forwarder.present_columns FROM PUBLIC;
