-- Sets everything that our statements rely on, whatever the role, the database, the server or the URL has set. `forwarder migrate --sql` prints this
-- too. Not set here:
--   * what only a superuser may set, such as session_replication_role;
--   * default_tablespace and default_toast_compression, which are the operator's choice;
--   * synchronous_commit, since nothing of ours relies on it: a crash that forgets a commit forgets all later ones too, and TRUNCATE waits for
--     the disk in any case.

-- Under READ COMMITTED each statement sees what was committed before it began, and an update that has waited for another one works on the row as
-- that has left it. With an older snapshot, we would not see what was committed while we waited for a lock, and would truncate it.
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET default_transaction_deferrable = off;

-- Functions, operators and types that are named without a schema are PostgreSQL's own, even if somebody has created others with such names.
SET quote_all_identifiers = off;
SET search_path = pg_catalog, pg_temp;
-- If a policy would hide rows from us, that is an error.
SET row_security = off;

-- How texts are read and written: some literals of ours have backslashes, and in a few places times are texts.
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET DateStyle = 'ISO, YMD';
SET timezone = 'UTC';

-- A listener is idle most of the time. But a statement that takes longer than this is stuck, and so is a transaction in which nothing is asked for
-- longer than this. There is no limit to a whole transaction, since a migration may take long (transaction_timeout came with PostgreSQL 17).
SET idle_session_timeout = 0;
SET idle_in_transaction_session_timeout = '60s';
SET statement_timeout = '50s';
SET lock_timeout = '10s';
SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) IS NOT NULL;
-- If this machine vanishes, the server notices after some 20 s: soon, but not before the leader's lease (15 s) is over.
SET tcp_keepalives_idle = 8;
SET tcp_keepalives_interval = 3;
SET tcp_keepalives_count = 4;
SET tcp_user_timeout = '20s';
-- If our end drops the session while a statement is at work, the server ends the statement within 2 s. Else it would go on to its end, and keep the
-- leader's lock as long. Only some systems can do that.
SELECT set_config('client_connection_check_interval', '2s', false) WHERE version() LIKE '%linux%';

-- The leaves of the outbox are never analysed, or were when they were empty, so the planner would read a whole leaf for one page. With generic plans,
-- and without scans that read everything before they return the first row, it walks the indexes.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_indexscan = on;
SET enable_indexonlyscan = on;
-- The other kinds of plans as by default. If one of them were off, the plan in its place might sort a whole backlog, or compare each of its rows with
-- all others.
SET enable_nestloop = on;
SET enable_hashjoin = on;
SET enable_mergejoin = on;
SET enable_hashagg = on;
SET enable_sort = on;
SET enable_material = on;
SET enable_incremental_sort = on;
SET enable_memoize = on;
SET enable_tidscan = on;
-- Only those leaves of the outbox are read that can hold what is asked for. To plan a join for each leaf by itself would take long.
SET enable_partition_pruning = on;
SET constraint_exclusion = partition;
SET enable_partitionwise_join = off;
SET enable_partitionwise_aggregate = off;
-- The costs by which the planner compares plans, and how many plans it looks at. With other costs it may walk another index; with lower limits it
-- makes joins of the catalog in the order in which they are written.
SET seq_page_cost = 1;
SET random_page_cost = 4;
SET cpu_tuple_cost = 0.01;
SET cpu_index_tuple_cost = 0.005;
SET cpu_operator_cost = 0.0025;
SET effective_cache_size = '4GB';
SET from_collapse_limit = 8;
SET join_collapse_limit = 8;
SET geqo = on;
SET geqo_threshold = 12;
-- So that a page is sorted in memory.
SET work_mem = '4MB';
SET hash_mem_multiplier = 2;
-- Parallel workers could return the rows of a page out of order. From PostgreSQL 16 on, force_parallel_mode is called debug_parallel_query.
SET max_parallel_workers_per_gather = 0;
SELECT set_config('force_parallel_mode', 'off', false) WHERE current_setting('force_parallel_mode', true) IS NOT NULL;
SELECT set_config('debug_parallel_query', 'off', false) WHERE current_setting('debug_parallel_query', true) IS NOT NULL;
-- For the planner a kind of scan that is switched off above is very expensive. So with jit it would compile statements that take a millisecond.
SET jit = off;

-- Migrations create ordinary tables, whatever other access methods are installed.
SET default_table_access_method = heap;
