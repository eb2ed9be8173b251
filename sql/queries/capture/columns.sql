-- The columns of captured tables, a JSON array for each table: names and types, for the formats of records that depend on types. What is new of them is
-- also written to forwarder.known_columns, so that it is known when it is gone.
--   * First the columns that the table has, in their order. Behind them the names that it had before, with "is_gone": true and the type that the column had
--     last: of renamed and dropped columns, the latest first, at most 1,600. As many columns a table can have, so all may be renamed once.
--   * "place" says which column it is, whatever it is called: the oid of its table and its number there. "former" are other names that the column in this
--     place is known to have had; not there if there are none. What an earlier release has written has neither.
--   * Of a table that was dropped, the columns that it had when they were looked up last.
--   $1 the tables to look at, by their ids; null: all
WITH known AS MATERIALIZED (
    SELECT table_id, columns FROM forwarder.known_columns WHERE $1::integer[] IS NULL OR table_id = ANY ($1)
),
placed AS MATERIALIZED (
    SELECT
        captured.id, listed.ordinality, listed.value AS "column", format('%s.%s', captured.relation, numbers.of_columns[listed.ordinality]) AS place
    FROM forwarder.present_columns($1::integer[]) AS looked_up
    JOIN forwarder.captured_table AS captured ON captured.id = looked_up.table_id
    -- They are all columns of the table, by their numbers.
    CROSS JOIN LATERAL (
        SELECT array_agg(attribute.attnum ORDER BY attribute.attnum) AS of_columns
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = captured.relation AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ) AS numbers
    CROSS JOIN LATERAL jsonb_array_elements(looked_up.columns) WITH ORDINALITY AS listed
),
former AS MATERIALIZED (
    SELECT placed.id, placed.place, jsonb_agg(DISTINCT earlier.name) AS names
    FROM known
    CROSS JOIN LATERAL jsonb_array_elements(known.columns) AS listed
    CROSS JOIN LATERAL (
        SELECT listed.value ->> 'name' UNION ALL SELECT jsonb_array_elements_text(listed.value -> 'former')
    ) AS earlier (name)
    JOIN placed ON placed.id = known.table_id AND placed.place = listed.value ->> 'place' AND placed.column ->> 'name' <> earlier.name
    GROUP BY placed.id, placed.place
),
present AS MATERIALIZED (
    SELECT
        placed.id,
        jsonb_agg(
            placed.column || jsonb_strip_nulls(jsonb_build_object('place', placed.place, 'former', former.names)) ORDER BY placed.ordinality
        ) AS columns
    FROM placed
    LEFT JOIN former ON former.id = placed.id AND former.place = placed.place
    GROUP BY placed.id
),
found AS MATERIALIZED (
    SELECT present.id, listed.value ->> 'name' AS name FROM present CROSS JOIN LATERAL jsonb_array_elements(present.columns) AS listed
),
-- What is known of columns that are not there now. Those that are gone since the last time were present then, and so come first.
gone AS (
    SELECT former.table_id, jsonb_agg(former.column ORDER BY former.place) AS columns
    FROM (
        SELECT
            known.table_id,
            listed.value || '{"is_gone": true}' AS "column",
            row_number() OVER (PARTITION BY known.table_id ORDER BY listed.ordinality) AS place
        FROM known
        JOIN present ON present.id = known.table_id AND present.columns <> known.columns
        CROSS JOIN LATERAL jsonb_array_elements(known.columns) WITH ORDINALITY AS listed
        WHERE NOT EXISTS (SELECT FROM found WHERE found.id = known.table_id AND found.name = listed.value ->> 'name')
    ) AS former
    WHERE former.place <= 1600
    GROUP BY former.table_id
),
all_of_them AS MATERIALIZED (
    SELECT present.id, present.columns || coalesce(gone.columns, '[]') AS columns
    FROM present
    LEFT JOIN gone ON gone.table_id = present.id
    UNION ALL
    SELECT known.table_id, known.columns FROM known WHERE NOT EXISTS (SELECT FROM present WHERE present.id = known.table_id)
),
kept AS (
    INSERT INTO forwarder.known_columns (table_id, columns)
    SELECT looked_up.id, looked_up.columns
    FROM all_of_them AS looked_up
    LEFT JOIN known ON known.table_id = looked_up.id
    WHERE known.columns IS DISTINCT FROM looked_up.columns
    -- In one order, so that two who write at once do not wait for each other.
    ORDER BY looked_up.id
    ON CONFLICT (table_id) DO UPDATE SET columns = excluded.columns
)
SELECT id, columns::text AS columns FROM all_of_them
