-- The columns of captured tables in their order, a JSON array for each table: names and types, for the formats of records that depend on types.
--   * The type of a column of a domain is the one that the domain is made of, and that of an array is the type of its elements.
--   * Only of tables that have our trigger with their id: else the oid may be that of another table (after a restore).
--   $1 the tables to look at, by their ids; null: all
WITH RECURSIVE resolved AS (
    SELECT
        captured.id, attribute.attnum, attribute.attname, attribute.atttypid AS type, attribute.atttypmod AS modifier, false AS is_array, 0 AS step
    FROM forwarder.captured_table AS captured
    JOIN pg_catalog.pg_trigger AS trigger
        ON trigger.tgrelid = captured.relation
        AND trigger.tgname = '00_forwarder_capture'
        AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = captured.id::text
    JOIN pg_catalog.pg_attribute AS attribute
        ON attribute.attrelid = captured.relation
        AND attribute.attnum > 0
        AND NOT attribute.attisdropped
    WHERE $1::integer[] IS NULL OR captured.id = ANY ($1)
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
),
columns AS (
    SELECT DISTINCT ON (id, attnum) * FROM resolved ORDER BY id, attnum, step DESC
)
SELECT
    columns.id,
    jsonb_agg(
        jsonb_build_object(
            'name', forwarder.legible(columns.attname::text),
            'type', jsonb_build_object(
                'schema', forwarder.legible(namespace.nspname::text),
                'name', forwarder.legible(type.typname::text),
                'kind', type.typtype,
                'modifier', columns.modifier,
                'is_array', columns.is_array
            )
        )
        ORDER BY columns.attnum
    )::text AS columns
FROM columns
JOIN pg_catalog.pg_type AS type ON type.oid = columns.type
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = type.typnamespace
GROUP BY columns.id
