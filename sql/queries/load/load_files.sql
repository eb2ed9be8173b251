-- The files of the tables that hold the rows of a captured one, and that are read behind $2; see load_next.sql for which those are.
--   * `class_maker`, `type_maker`: see load_file.sql.
--   $1 the captured table, $2 the oid of the one that is being read
WITH RECURSIVE member AS (
    SELECT class.oid, class.relkind FROM pg_catalog.pg_class AS class WHERE class.oid = $1
    UNION ALL
    SELECT class.oid, class.relkind
    FROM member
    JOIN pg_catalog.pg_inherits AS link ON link.inhparent = member.oid AND NOT link.inhdetachpending
    JOIN pg_catalog.pg_class AS class ON class.oid = link.inhrelid
    WHERE member.relkind = 'p'
)
SELECT class.oid::bigint AS relation, class.relfilenode::bigint AS file, class.xmin AS class_maker, type.xmin AS type_maker
FROM member
JOIN pg_catalog.pg_class AS class USING (oid)
JOIN pg_catalog.pg_type AS type ON type.oid = class.reltype
WHERE member.relkind = 'r' AND member.oid > $2::oid
