-- The migrations that were applied to this database.
SELECT version, name, checksum FROM forwarder.migration ORDER BY version
