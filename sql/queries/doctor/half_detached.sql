-- Partitions of captured tables whose DETACH … CONCURRENTLY was interrupted: whoever writes to them does not reach the table.
SELECT
    format('%I.%I', namespace.nspname, class.relname) AS quoted,
    link.inhparent::regclass::text AS parent
FROM pg_catalog.pg_inherits AS link
JOIN pg_catalog.pg_class AS class ON class.oid = link.inhrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE link.inhdetachpending AND EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS trigger
    WHERE trigger.tgrelid = link.inhparent AND trigger.tgname = '00_forwarder_capture'
)
ORDER BY 1
