-- What has to be known of a table or partition to read its rows; no row if it is gone, or has not our trigger with the id: it was detached.
--   * `condition`: what a row has to meet to be captured, in SQL.
--   * `key_paging`: the columns of an index by which it is read in the order of its key, a JSON array of what forwarder.index_columns() says, with `number`,
--     the column's attnum; null: there is no such index. `order_paging`: the first column of one by which it is read in the order of another column.
--   $1 its oid, $2 forwarder.captured_table.id, $3 names of the key's columns, $4 the name of the column to read by, or null: then by the key alone
SELECT
    format('%I.%I', namespace.nspname, class.relname) AS quoted,
    quote_ident(namespace.nspname) AS quoted_schema,
    forwarder.relation_stamp(class.oid) AS stamp,
    has_schema_privilege(class.relnamespace, 'USAGE') AND has_table_privilege(class.oid, 'SELECT') AS may_select,
    row_security_active(class.oid) AS hides_rows,
    (SELECT captured.options ->> 'where' FROM forwarder.captured_table AS captured WHERE captured.id = $2) AS condition,
    ARRAY(
        SELECT attribute.attname::text
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ORDER BY attribute.attnum
    ) AS columns,
    (
        SELECT paging.columns::text
        FROM pg_catalog.pg_index AS index
        JOIN pg_catalog.pg_class AS index_class ON index_class.oid = index.indexrelid
        JOIN pg_catalog.pg_am AS method ON method.oid = index_class.relam AND method.amname = 'btree'
        CROSS JOIN LATERAL (
            SELECT
                json_agg(described.facts::jsonb || jsonb_build_object('number', index.indkey[described.place - 1]) ORDER BY described.place) AS columns,
                array_agg(described.name ORDER BY described.place) AS names
            FROM forwarder.index_columns(index.indexrelid) AS described
        ) AS paging
        WHERE index.indrelid = class.oid AND index.indisvalid AND index.indpred IS NULL AND index.indexprs IS NULL AND index.indisunique
          AND paging.names @> $3::text[] AND paging.names <@ $3::text[]
          AND NOT EXISTS (
              SELECT FROM pg_catalog.pg_attribute AS attribute
              WHERE attribute.attrelid = class.oid AND attribute.attname = ANY (paging.names) AND NOT attribute.attnotnull)
        ORDER BY index.indisprimary DESC, index_class.relname
        LIMIT 1
    ) AS key_paging,
    (
        SELECT (described.facts::jsonb || jsonb_build_object('number', index.indkey[0]))::text
        FROM pg_catalog.pg_index AS index
        JOIN pg_catalog.pg_class AS index_class ON index_class.oid = index.indexrelid
        JOIN pg_catalog.pg_am AS method ON method.oid = index_class.relam AND method.amname = 'btree'
        CROSS JOIN LATERAL forwarder.index_columns(index.indexrelid) AS described
        WHERE index.indrelid = class.oid AND index.indisvalid AND index.indpred IS NULL AND described.place = 1 AND described.name = $4::text
        ORDER BY index.indisprimary DESC, index_class.relname
        LIMIT 1
    ) AS order_paging,
    coalesce((
        SELECT NOT attribute.attnotnull
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = class.oid AND attribute.attname = $4::text AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ), false) AS order_may_be_null
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN pg_catalog.pg_trigger AS trigger
    ON trigger.tgrelid = class.oid
    AND trigger.tgname = '00_forwarder_capture'
    AND split_part(encode(trigger.tgargs, 'escape'), '\000', 1) = $2::integer::text
WHERE class.oid = $1
