-- Which running server this is: its cluster, the timeline that it writes (null: it is a standby and writes none), and when it was started.
-- The timeline is that of the WAL: pg_control_checkpoint() has the old one until the first checkpoint after a promotion.
SELECT
    control.system_identifier,
    CASE
        WHEN NOT pg_is_in_recovery()
        THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
    END AS timeline,
    (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started_at
FROM pg_catalog.pg_control_system() AS control
