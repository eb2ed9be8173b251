-- The roles and databases whose settings keep triggers from firing, so that their changes are not captured; and the statement that ends it. What a
-- session has set for itself cannot be seen.
SELECT
    concat_ws(
        ' in ',
        CASE WHEN setting.setrole <> 0 THEN format('role %I', pg_get_userbyid(setting.setrole)) END,
        CASE WHEN setting.setdatabase <> 0 THEN format('database %I', current_database()) END,
        CASE WHEN setting.setrole = 0 AND setting.setdatabase = 0 THEN 'all roles' END
    ) AS whom,
    format(
        'ALTER %s RESET session_replication_role',
        CASE
            WHEN setting.setrole = 0 AND setting.setdatabase <> 0 THEN format('DATABASE %I', current_database())
            ELSE concat_ws(
                ' IN ',
                'ROLE ' || CASE setting.setrole WHEN 0 THEN 'ALL' ELSE quote_ident(pg_get_userbyid(setting.setrole)) END,
                CASE WHEN setting.setdatabase <> 0 THEN format('DATABASE %I', current_database()) END)
        END
    ) AS remedy
FROM pg_catalog.pg_db_role_setting AS setting
WHERE setting.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
  AND 'session_replication_role=replica' = ANY (setting.setconfig)
UNION ALL
SELECT 'the whole server', 'ALTER SYSTEM RESET session_replication_role, and reload'
FROM pg_catalog.pg_settings
WHERE name = 'session_replication_role' AND setting = 'replica' AND source IN ('configuration file', 'command line')
ORDER BY whom
