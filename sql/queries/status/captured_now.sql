-- Every table that is or was captured, under its present name, whether it is captured now, and what is wrong with its triggers (null: nothing that can
-- be told without the settings): `gone`, `missing`, `disabled`; `truncate`: only a TRUNCATE of it, or of some of its partitions alone, would be missed.
WITH expected AS MATERIALIZED (
    SELECT
        trigger.table_id,
        bool_or(NOT trigger.is_sound AND trigger.trigger_oid IS NOT NULL) AS has_disabled,
        bool_or(NOT trigger.is_sound AND trigger.trigger_oid IS NULL AND trigger.name <> '00_forwarder_truncate') AS lacks_some,
        bool_or(NOT trigger.is_sound) AS has_flaw
    FROM forwarder.expected_triggers() AS trigger
    GROUP BY trigger.table_id
)
SELECT
    captured.id,
    forwarder.legible(coalesce(namespace.nspname, captured.schema_name)::text) AS schema,
    forwarder.legible(coalesce(class.relname, captured.table_name)::text) AS name,
    captured.removed_at IS NULL AS is_captured,
    CASE
        WHEN captured.removed_at IS NOT NULL THEN NULL
        WHEN expected.table_id IS NULL THEN 'gone'
        WHEN expected.lacks_some THEN 'missing'
        WHEN expected.has_disabled THEN 'disabled'
        WHEN expected.has_flaw THEN 'truncate'
    END AS flaw
FROM forwarder.captured_table AS captured
LEFT JOIN expected ON expected.table_id = captured.id
LEFT JOIN pg_catalog.pg_trigger AS trigger
    ON trigger.tgrelid = captured.relation
    AND trigger.tgname = '00_forwarder_capture'
    AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = captured.id::text
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE captured.id <> 0
ORDER BY schema, name, captured.id
