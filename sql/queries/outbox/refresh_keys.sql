-- Adds the new names of key columns that were renamed since `forwarder migrate`; no name is ever taken out. Only of tables that have our trigger with
-- their id: else the oid may be that of another table (after a restore).
--   $1 the tables to look at, by their ids; null: all
UPDATE forwarder.captured_table AS captured
SET key_columns = renamed.key_columns
FROM (
    SELECT
        registered.id,
        jsonb_agg(
            CASE
                WHEN attribute.attname IS NULL OR key.value -> 'names' ? attribute.attname::text THEN key.value
                ELSE jsonb_set(key.value, '{names}', to_jsonb(attribute.attname::text) || (key.value -> 'names'))
            END
            ORDER BY key.ordinality
        ) AS key_columns
    FROM forwarder.captured_table AS registered
    JOIN pg_catalog.pg_trigger AS trigger
        ON trigger.tgrelid = registered.relation
        AND trigger.tgname = '00_forwarder_capture'
        AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = registered.id::text
    CROSS JOIN LATERAL jsonb_array_elements(registered.key_columns) WITH ORDINALITY AS key
    LEFT JOIN pg_catalog.pg_attribute AS attribute
        ON attribute.attrelid = registered.relation
        AND attribute.attnum = (key.value ->> 'attnum')::smallint
        AND NOT attribute.attisdropped
    WHERE $1::integer[] IS NULL OR registered.id = ANY ($1)
    GROUP BY registered.id
) AS renamed
WHERE captured.id = renamed.id AND captured.key_columns <> renamed.key_columns
