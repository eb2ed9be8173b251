-- The identity that initdb gave to the cluster; the first half of every record's id.
SELECT system_identifier FROM pg_catalog.pg_control_system()
