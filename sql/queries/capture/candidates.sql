-- Every table that can be captured, each as a JSON object: forwarder.capture.tables.Table says what is in it.
-- Left out are views, foreign tables, temporary tables, and whatever belongs to the system, to us or to an extension.
-- Locks no table, as pg_partition_tree() would.
--   $1 a regular expression; each character that matches it is shown as a question mark
WITH RECURSIVE
-- Each type that is made of another one, with that one: domains, arrays, ranges, and composite types other than those of tables.
part (type, whole) AS (
    SELECT type.typbasetype, type.oid FROM pg_catalog.pg_type AS type WHERE type.typtype = 'd'
    UNION ALL
    SELECT type.typelem, type.oid FROM pg_catalog.pg_type AS type WHERE type.typcategory = 'A'
    UNION ALL
    SELECT range.rngsubtype, unnest(ARRAY[range.rngtypid, range.rngmultitypid]) FROM pg_catalog.pg_range AS range
    UNION ALL
    SELECT attribute.atttypid, class.reltype
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid AND NOT attribute.attisdropped
    WHERE class.relkind = 'c'
),
-- Types whose equal values can be written in several ways that forwarder/outbox/canonical_keys.py does not make one: intervals (1 day and
-- 24:00:00), text in which case does not count, queries whose weights do not; and types that are made of these.
ambiguous (type) AS (
    SELECT type.oid FROM pg_catalog.pg_type AS type WHERE type.typname IN ('citext', 'interval', 'tsquery')
    UNION
    SELECT part.whole FROM ambiguous JOIN part ON part.type = ambiguous.type
),
-- Casts to json where neither the owner of the type nor the owner of the cast's function is a superuser.
foreign_cast (source, source_owner, function, owner) AS (
    SELECT foreign_cast.castsource, type.typowner, foreign_cast.castfunc, function.proowner
    FROM pg_catalog.pg_cast AS foreign_cast
    JOIN pg_catalog.pg_proc AS function ON function.oid = foreign_cast.castfunc
    JOIN pg_catalog.pg_roles AS role ON role.oid = function.proowner AND NOT role.rolsuper
    JOIN pg_catalog.pg_type AS type ON type.oid = foreign_cast.castsource
    JOIN pg_catalog.pg_roles AS type_role ON type_role.oid = type.typowner AND NOT type_role.rolsuper
    WHERE foreign_cast.castsource >= 16384 AND foreign_cast.casttarget = 'json'::regtype AND foreign_cast.castmethod = 'f'
      AND type.typtype NOT IN ('c', 'd') AND type.typcategory <> 'A'
),
-- These types, and the types made of them whose conversion to json runs the cast.
holder (type, source) AS (
    SELECT foreign_cast.source, foreign_cast.source FROM foreign_cast
    UNION
    SELECT part.whole, holder.source
    FROM holder
    JOIN part ON part.type = holder.type
    JOIN pg_catalog.pg_type AS whole ON whole.oid = part.whole AND whole.typtype NOT IN ('r', 'm')
)
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
    'virtual_columns', (
        SELECT coalesce(json_agg(attribute.attname ORDER BY attribute.attnum), '[]')
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = class.oid AND attribute.attgenerated = 'v' AND NOT attribute.attisdropped
    ),
    -- By its release, PostgreSQL notes what a generated column is made of beside the column itself or beside its expression.
    'generated_from', (
        SELECT coalesce(json_object_agg(attribute.attnum, (
            SELECT coalesce(json_agg(DISTINCT source.refobjsubid), '[]')
            FROM pg_catalog.pg_depend AS source
            WHERE source.refclassid = 'pg_class'::regclass AND source.refobjid = class.oid
              AND source.refobjsubid > 0 AND source.refobjsubid <> attribute.attnum
              AND (
                  (source.classid, source.objid, source.objsubid) = ('pg_class'::regclass, class.oid, attribute.attnum)
                  OR source.classid = 'pg_attrdef'::regclass AND source.objid IN (
                      SELECT expression.oid FROM pg_catalog.pg_attrdef AS expression
                      WHERE expression.adrelid = class.oid AND expression.adnum = attribute.attnum)
              )
        )), '{}')
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND attribute.attgenerated = 's' AND NOT attribute.attisdropped
    ),
    'strange_casts', (
        SELECT coalesce(json_agg(DISTINCT jsonb_build_object(
            'type', foreign_cast.source::regtype::text,
            'function', foreign_cast.function::regprocedure::text,
            'owner', pg_get_userbyid(foreign_cast.owner)
        )), '[]')
        FROM pg_catalog.pg_attribute AS attribute
        JOIN holder ON holder.type = attribute.atttypid
        JOIN foreign_cast ON foreign_cast.source = holder.source
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
          AND EXISTS (
              SELECT FROM pg_catalog.pg_class AS member
              WHERE member.oid = ANY (family.relations) AND member.relowner NOT IN (foreign_cast.owner, foreign_cast.source_owner)
          )
    ),
    'has_primary_key', coalesce(key.indisprimary, false),
    'key', coalesce(key.attnums, '[]'),
    -- The columns whose JSON is a number, a word or a string; and whether all partitions have their columns in the same places.
    'scalars', (
        SELECT coalesce(json_agg(attribute.attnum), '[]')
        FROM pg_catalog.pg_attribute AS attribute
        JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
        JOIN pg_catalog.pg_type AS base ON base.oid = coalesce(nullif(type.typbasetype, 0), type.oid)
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
          AND base.typnamespace = 'pg_catalog'::regnamespace AND base.typcategory NOT IN ('A', 'C')
          AND base.typname NOT IN ('json', 'jsonb')
    ),
    'texts', (
        SELECT coalesce(json_agg(attribute.attnum), '[]')
        FROM pg_catalog.pg_attribute AS attribute
        JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
        WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped AND type.typcategory = 'S'
    ),
    'uniform', NOT EXISTS (
        SELECT
        FROM unnest(family.relations) AS member (oid)
        JOIN pg_catalog.pg_attribute AS theirs ON theirs.attrelid = member.oid AND theirs.attnum > 0 AND NOT theirs.attisdropped
        LEFT JOIN pg_catalog.pg_attribute AS ours
            ON ours.attrelid = class.oid AND ours.attnum = theirs.attnum AND ours.attname = theirs.attname
        WHERE ours.attnum IS NULL
    ),
    'key_is_deferrable', coalesce(NOT key.indimmediate, false),
    'ambiguous_key_columns', (
        SELECT coalesce(json_agg(json_build_object(
            'name', attribute.attname,
            'type', format_type(attribute.atttypid, attribute.atttypmod),
            'collation', comparison.collname
        ) ORDER BY indexed.place), '[]')
        FROM unnest(key.indkey::smallint[], key.indcollation::oid[]) WITH ORDINALITY AS indexed (attnum, compared_by, place)
        JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum = indexed.attnum
        LEFT JOIN pg_catalog.pg_collation AS comparison
            ON comparison.oid = indexed.compared_by AND NOT comparison.collisdeterministic
        WHERE indexed.place <= key.indnkeyatts
          AND (comparison.oid IS NOT NULL OR attribute.atttypid IN (SELECT ambiguous.type FROM ambiguous))
    ),
    -- Neither partitioned nor a partition, and nothing inherits, in either direction.
    'stands_alone', class.relkind = 'r' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS link WHERE class.oid IN (link.inhparent, link.inhrelid)
    ),
    'members', members.list,
    'triggers', members.triggers
)::text, $1, '?', 'g')
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
-- The index that identifies a row: the primary key, else that of the replica identity, else the first unique index without nullable columns.
LEFT JOIN LATERAL (
    SELECT index.*, to_json((index.indkey::smallint[])[0:index.indnkeyatts - 1]) AS attnums
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
-- The table itself and its partitions of all levels.
CROSS JOIN LATERAL (
    WITH RECURSIVE found (oid) AS (
        SELECT class.oid
        UNION ALL
        SELECT link.inhrelid
        FROM found
        JOIN pg_catalog.pg_inherits AS link ON link.inhparent = found.oid AND NOT link.inhdetachpending
        WHERE class.relkind = 'p'
    )
    SELECT array_agg(found.oid) AS relations FROM found
) AS family
-- Of these all but foreign tables, and our triggers on them, whatever their names. A trigger is sound if it is enabled, whatever columns change.
CROSS JOIN LATERAL (
    SELECT
        json_agg(json_build_object(
            'quoted', member.quoted,
            'truncates', member.oid = class.oid OR member.relkind = 'r'
        ) ORDER BY member.quoted) AS list,
        coalesce(json_agg(json_build_object(
            'relation', member.quoted,
            'name', trigger.tgname,
            'function', (SELECT proname FROM pg_catalog.pg_proc WHERE oid = trigger.tgfoid),
            'type', trigger.tgtype,
            'has_condition', trigger.tgqual IS NOT NULL,
            'arguments', ARRAY(
                SELECT convert_from(decode(argument.escaped, 'escape'), getdatabaseencoding())
                FROM unnest(string_to_array(encode(trigger.tgargs, 'escape'), '\000')) WITH ORDINALITY AS argument (escaped, place)
                WHERE argument.place <= trigger.tgnargs
                ORDER BY argument.place
            ),
            'sound', trigger.tgenabled IN ('O', 'A') AND cardinality(trigger.tgattr) = 0,
            'inherited', trigger.tgparentid <> 0
        ) ORDER BY member.quoted, trigger.tgname) FILTER (WHERE trigger.oid IS NOT NULL), '[]') AS triggers
    FROM (
        SELECT
            member_class.oid,
            member_class.relkind,
            format('%I.%I', member_namespace.nspname, member_class.relname) AS quoted
        FROM unnest(family.relations) AS found (oid)
        JOIN pg_catalog.pg_class AS member_class ON member_class.oid = found.oid
        JOIN pg_catalog.pg_namespace AS member_namespace ON member_namespace.oid = member_class.relnamespace
        WHERE member_class.relkind IN ('r', 'p')
    ) AS member
    LEFT JOIN pg_catalog.pg_trigger AS trigger
        ON trigger.tgrelid = member.oid
        AND trigger.tgfoid IN (
            to_regproc('forwarder.capture'), to_regproc('forwarder.capture_by_rules'), to_regproc('forwarder.capture_truncate'),
            to_regproc('forwarder.begin_statement'), to_regproc('forwarder.capture_in_statement'), to_regproc('forwarder.capture_statement'))
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
