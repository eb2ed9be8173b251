-- Captured tables and partitions that a subscription of logical replication fills, while our trigger does not fire for what it applies.
SELECT format('%I.%I', namespace.nspname, class.relname) AS quoted, trigger.tgname AS trigger, min(subscription.subname) AS subscription
FROM pg_catalog.pg_subscription_rel AS filled
JOIN pg_catalog.pg_class AS class ON class.oid = filled.srrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN pg_catalog.pg_trigger AS trigger
    ON trigger.tgrelid = class.oid AND trigger.tgname = '00_forwarder_capture' AND trigger.tgenabled NOT IN ('A', 'R')
LEFT JOIN pg_catalog.pg_subscription AS subscription ON subscription.oid = filled.srsubid
GROUP BY 1, 2
ORDER BY 1
