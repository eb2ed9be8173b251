-- The role of this session, and how much of schema forwarder it may see: forwarder.doctor.own_role.OwnRole says what is in the row. Reads only the
-- catalog, so it works without any right on the schema, and where there is none.
SELECT
    quote_ident(current_user) AS name,
    role.rolsuper AS is_superuser,
    CASE
        WHEN isfinite(role.rolvaliduntil) THEN extract(epoch FROM role.rolvaliduntil - clock_timestamp())::double precision
    END AS password_seconds,
    pg_is_in_recovery() AS is_standby,
    quote_ident(current_database()) AS database,
    ours.relowner IS NOT NULL AS has_schema,
    quote_ident(pg_get_userbyid(ours.relowner)) AS owner,
    coalesce(pg_has_role(ours.relowner, 'USAGE'), false) AS is_owner,
    coalesce(has_schema_privilege(ours.relnamespace, 'USAGE'), false) AS may_use_schema,
    has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all_sessions
FROM pg_catalog.pg_roles AS role
LEFT JOIN LATERAL (
    SELECT class.relowner, class.relnamespace
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = 'forwarder' AND class.relname = 'migration'
) AS ours ON true
WHERE role.rolname = current_user
