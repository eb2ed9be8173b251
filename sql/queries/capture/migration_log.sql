-- Whether schema forwarder has a record of its migrations, and whether it has any object at all.
SELECT
    to_regclass('forwarder.migration') IS NOT NULL AS recorded,
    EXISTS (
        SELECT FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = 'forwarder'
    ) AS occupied
