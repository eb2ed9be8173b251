-- What a load has to know of a captured table; no row if there is none with this id, or it is captured no longer.
--   * `relation` is null if there is no table that has our trigger with the id: it was dropped, or the database was restored and not migrated since.
--   * `key_names`: the key columns under their present names, in the order of the key.
--   $1 forwarder.captured_table.id
SELECT
    forwarder.legible(coalesce(found.nspname, captured.schema_name)::text) AS schema,
    forwarder.legible(coalesce(found.relname, captured.table_name)::text) AS name,
    found.oid AS relation,
    quote_ident(found.nspname) || '.' || quote_ident(found.relname) AS quoted,
    quote_ident(found.nspname) AS quoted_schema,
    has_schema_privilege(found.relnamespace, 'USAGE') AND has_table_privilege(found.oid, 'SELECT') AS may_select,
    row_security_active(found.oid) AS hides_rows,
    found.relkind = 'p' AS is_partitioned,
    captured.options ->> 'where' AS condition,
    coalesce((captured.options ->> 'outbox')::boolean, false) AS is_outbox,
    captured.before_image = 'full' AS tells_old_rows,
    coalesce(captured.options ->> 'after', 'full') = 'full' AS tells_new_rows,
    key.names AS key_names,
    jsonb_array_length(captured.key_columns) AS key_length
FROM forwarder.captured_table AS captured
LEFT JOIN LATERAL (
    SELECT class.oid, class.relkind, class.relname, class.relnamespace, namespace.nspname
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_trigger AS trigger
        ON trigger.tgrelid = class.oid
        AND trigger.tgname = '00_forwarder_capture'
        AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = captured.id::text
    WHERE class.oid = captured.relation OR (namespace.nspname, class.relname) = (captured.schema_name, captured.table_name)
    ORDER BY class.oid = captured.relation DESC
    LIMIT 1
) AS found ON true
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(present.attname::text ORDER BY listed.place), '{}') AS names
    FROM jsonb_array_elements(captured.key_columns) WITH ORDINALITY AS listed (key, place)
    CROSS JOIN LATERAL (
        SELECT attribute.attname
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = found.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
          AND (
              found.oid = captured.relation AND attribute.attnum = (listed.key ->> 'attnum')::smallint
              OR found.oid <> captured.relation AND listed.key -> 'names' ? attribute.attname::text)
        ORDER BY attribute.attnum
        LIMIT 1
    ) AS present
) AS key
WHERE captured.id = $1 AND captured.removed_at IS NULL
