-- Every table that can be captured, as one JSON object each: forwarder.triggers.Table says what is in it.
-- Not: views and foreign tables, temporary tables, what belongs to the system, to us or to an extension.
--   $1 a pattern; each character that matches it is shown as a question mark
SELECT regexp_replace(json_build_object(
    'relation', class.oid::bigint,
    'schema', namespace.nspname,
    'name', class.relname,
    'quoted', format('%I.%I', namespace.nspname, class.relname),
    'ancestors', (
        SELECT coalesce(json_agg(ancestor.relid::oid::bigint), '[]')
        FROM pg_partition_ancestors(class.oid) AS ancestor
        WHERE ancestor.relid <> class.oid
    ),
    'columns', (
        SELECT coalesce(json_object_agg(attribute.attnum, attribute.attname), '{}')
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ),
    'has_primary_key', coalesce(key.indisprimary, false),
    'key', coalesce(key.attnums, '[]'),
    'members', members.list,
    'triggers', members.triggers
)::text, $1, '?', 'g')
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
-- What identifies a row: the primary key, else the replica identity's index, else the first unique index without nulls.
LEFT JOIN LATERAL (
    SELECT index.indisprimary, to_json((index.indkey::smallint[])[0:index.indnkeyatts - 1]) AS attnums
    FROM pg_catalog.pg_index AS index
    JOIN pg_catalog.pg_class AS index_class ON index_class.oid = index.indexrelid
    WHERE index.indrelid = class.oid AND (
        index.indisprimary
        OR index.indisunique AND index.indimmediate AND index.indisvalid
            AND index.indpred IS NULL AND index.indexprs IS NULL
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_attribute AS attribute
                WHERE attribute.attrelid = class.oid AND NOT attribute.attnotnull
                  AND attribute.attnum = ANY ((index.indkey::smallint[])[0:index.indnkeyatts - 1])
            )
    )
    ORDER BY index.indisprimary DESC, index.indisreplident DESC, index_class.relname
    LIMIT 1
) AS key ON true
-- The table itself and its partitions, except foreign ones, and our triggers on them. A trigger is sound if it fires, and on
-- what ours are for; tgtype 29 is AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW, 32 is AFTER TRUNCATE FOR EACH STATEMENT.
CROSS JOIN LATERAL (
    SELECT
        json_agg(json_build_object(
            'quoted', member.quoted,
            'truncates', member.oid = class.oid OR member.relkind = 'r'
        ) ORDER BY member.quoted) AS list,
        coalesce(json_agg(json_build_object(
            'relation', member.quoted,
            'name', trigger.tgname,
            'arguments', (string_to_array(encode(trigger.tgargs, 'escape'), '\000'))[1:trigger.tgnargs],
            'sound', trigger.tgenabled IN ('O', 'A') AND trigger.tgqual IS NULL AND cardinality(trigger.tgattr) = 0
                AND trigger.tgtype = CASE trigger.tgname WHEN '00_forwarder_capture' THEN 29 ELSE 32 END,
            'inherited', trigger.tgparentid <> 0
        ) ORDER BY member.quoted, trigger.tgname) FILTER (WHERE trigger.oid IS NOT NULL), '[]') AS triggers
    FROM (
        SELECT
            member_class.oid,
            member_class.relkind,
            format('%I.%I', member_namespace.nspname, member_class.relname) AS quoted
        FROM (
            SELECT class.oid AS relid
            UNION ALL
            SELECT tree.relid FROM pg_partition_tree(class.oid) AS tree WHERE tree.relid <> class.oid AND class.relkind = 'p'
        ) AS family
        JOIN pg_catalog.pg_class AS member_class ON member_class.oid = family.relid
        JOIN pg_catalog.pg_namespace AS member_namespace ON member_namespace.oid = member_class.relnamespace
        WHERE member_class.relkind IN ('r', 'p')
    ) AS member
    LEFT JOIN pg_catalog.pg_trigger AS trigger
        ON trigger.tgrelid = member.oid
        AND trigger.tgfoid = to_regproc('forwarder.capture')
        AND trigger.tgname IN ('00_forwarder_capture', '00_forwarder_truncate')
) AS members
WHERE class.relkind IN ('r', 'p')
  AND class.relpersistence <> 't'
  AND namespace.nspname <> ALL ('{forwarder,information_schema}')
  AND namespace.nspname !~ '^pg_'
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS dependency
      WHERE dependency.classid = 'pg_catalog.pg_class'::regclass AND dependency.objid = class.oid
        AND dependency.deptype = 'e'
  )
ORDER BY namespace.nspname, class.relname
