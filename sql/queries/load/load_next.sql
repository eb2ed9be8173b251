-- Of the tables that hold the rows of a captured one, the next in the order in which they are read, that of their oids; null: there is none. Those are
-- the table itself or, if it is partitioned, its partitions without partitions of their own. Tables that inherit from it in any other way are captured
-- by themselves. No lock is taken or waited for.
--   $1 the captured table, $2 the one that was read last, or 0
WITH RECURSIVE member AS (
    SELECT class.oid, class.relkind FROM pg_catalog.pg_class AS class WHERE class.oid = $1
    UNION ALL
    SELECT class.oid, class.relkind
    FROM member
    JOIN pg_catalog.pg_inherits AS link ON link.inhparent = member.oid AND NOT link.inhdetachpending
    JOIN pg_catalog.pg_class AS class ON class.oid = link.inhrelid
    WHERE member.relkind = 'p'
)
SELECT min(member.oid::bigint)::bigint FROM member WHERE member.relkind = 'r' AND member.oid > $2::oid
