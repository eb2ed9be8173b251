-- Whether the server is a standby, and whether default_transaction_read_only is on for this database, role, server or URL. Our sessions switch
-- that off (session.sql); reset_val is what it would be without.
SELECT pg_is_in_recovery() AS is_standby, setting.reset_val::boolean AS is_default
FROM pg_catalog.pg_settings AS setting
WHERE setting.name = 'default_transaction_read_only'
