-- The replication slots of the server: how many transaction ids back each holds vacuum, and how many bytes of WAL it keeps.
SELECT
    quote_literal(slot.slot_name) AS name,
    slot.active AS is_active,
    coalesce(greatest(age(slot.xmin), age(slot.catalog_xmin)), 0) AS held_ids,
    coalesce(pg_wal_lsn_diff(
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, slot.restart_lsn), 0)::bigint AS kept_bytes
FROM pg_catalog.pg_replication_slots AS slot
ORDER BY slot.slot_name
