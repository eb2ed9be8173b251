-- Why nothing is to be written here: the server is a standby, or read-only is the default that a person has set for this database, this
-- role, the whole server or in the URL. Our own sessions have that off (session.sql); this tells what it would be without.
SELECT pg_is_in_recovery() AS is_standby, setting.reset_val::boolean AS is_default
FROM pg_catalog.pg_settings AS setting
WHERE setting.name = 'default_transaction_read_only'
