-- Whether autovacuum is on, and how old the oldest transaction id of this database is. At two thousand million writes are refused.
SELECT
    current_setting('autovacuum')::boolean AS is_on,
    age(database.datfrozenxid) AS oldest_age
FROM pg_catalog.pg_database AS database
WHERE database.datname = current_database()
