-- Our event triggers, and whether this role may create and drop such.
SELECT
    may_create,
    ARRAY(
        SELECT json_build_object(
            'name', found.evtname,
            'event', found.evtevent,
            'tags', found.evttags,
            'function', function.proname,
            'is_enabled', found.evtenabled <> 'D'
        )::text
        FROM pg_catalog.pg_event_trigger AS found
        JOIN pg_catalog.pg_proc AS function ON function.oid = found.evtfoid
        WHERE function.pronamespace = to_regnamespace('forwarder') OR found.evtname LIKE 'forwarder\_%'
        ORDER BY found.evtname
    ) AS found
FROM (
    SELECT role.rolsuper OR EXISTS (
        SELECT FROM pg_catalog.pg_roles AS master WHERE master.rolname = 'rds_superuser' AND pg_has_role(role.oid, master.oid, 'MEMBER')
    ) AS may_create
    FROM pg_catalog.pg_roles AS role
    WHERE role.rolname = current_user
) AS right_of
