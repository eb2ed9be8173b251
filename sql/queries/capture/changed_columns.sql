-- Columns whose names are others than when the rules about the columns of their table were made, each table's as one text: `social (was ssn), fresh`.
SELECT
    forwarder.legible(captured.schema_name) AS schema_name,
    forwarder.legible(captured.table_name) AS table_name,
    forwarder.legible(string_agg(
        attribute.attname || coalesce(' (was ' || (known.names ->> 0) || ')', ''), ', ' ORDER BY attribute.attnum)) AS columns
FROM forwarder.captured_table AS captured
JOIN pg_catalog.pg_attribute AS attribute
    ON attribute.attrelid = captured.relation AND attribute.attnum > 0 AND NOT attribute.attisdropped
LEFT JOIN LATERAL (
    SELECT listed -> 'names' AS names
    FROM jsonb_array_elements(captured.columns) AS listed
    WHERE (listed -> 'attnum')::integer = attribute.attnum
) AS known ON true
WHERE captured.removed_at IS NULL AND captured.columns <> '[]' AND known.names ->> 0 IS DISTINCT FROM attribute.attname
GROUP BY captured.id
ORDER BY 1, 2
