-- Makes a session one of ours: all that our statements rely on is as they expect it, whatever the role, the database, the server or the
-- URL has set. `forwarder migrate --sql` prints this too. Not here: what only a superuser may set, such as session_replication_role;
-- default_tablespace and default_toast_compression, which are the operator's choice; and synchronous_commit, since nothing of ours relies on it: a crash that forgets a
-- commit forgets all later ones too, and TRUNCATE waits for the disk whatever is set.

-- Each statement sees what was committed before it began, and an update that has waited for another one goes on with the row as that
-- has left it. With an older snapshot, what was committed while we waited for a lock would be overlooked, and then truncated.
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET default_transaction_deferrable = off;

-- Functions, operators and types without a schema are PostgreSQL's own, and no others that somebody has created under such a name.
SET quote_all_identifiers = off;
SET search_path = pg_catalog, pg_temp;
-- Where a policy would hide changes from us, an error says so.
SET row_security = off;

-- How our texts are to be read. Literals of ours have backslashes; times come and go as text in a few places.
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET DateStyle = 'ISO, YMD';
SET timezone = 'UTC';

-- To be idle is a listener's normal state. A statement that takes so long is stuck, and so is a transaction in which nothing is asked for
-- so long. That is enough: a migration may take longer as a whole (transaction_timeout came with PostgreSQL 17).
SET idle_session_timeout = 0;
SET idle_in_transaction_session_timeout = '60s';
SET statement_timeout = '50s';
SET lock_timeout = '10s';
SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) IS NOT NULL;
-- If this machine vanishes, the server shall notice soon, but not before the leader's lease is over.
SET tcp_keepalives_idle = 8;
SET tcp_keepalives_interval = 3;
SET tcp_keepalives_count = 4;
SET tcp_user_timeout = '20s';
-- And if this end drops the session while a statement is at work: else it would go on to its end, with the leader's lock. Only some
-- systems can tell.
SELECT set_config('client_connection_check_interval', '2s', false) WHERE version() LIKE '%linux%';

-- The leaves of the outbox are never analysed, or were when they were empty: statistics would mislead the planner into reading a whole
-- leaf for one page. Without them, and without scans that read all there is before they tell the first row, it walks the indexes.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_indexscan = on;
SET enable_indexonlyscan = on;
-- The other plans as by default: without one of them, another might sort a whole backlog, or compare each of its rows with all others.
SET enable_nestloop = on;
SET enable_hashjoin = on;
SET enable_mergejoin = on;
SET enable_hashagg = on;
SET enable_sort = on;
SET enable_material = on;
SET enable_incremental_sort = on;
SET enable_memoize = on;
SET enable_tidscan = on;
-- Of the outbox's leaves only those are looked at that can hold what is asked for; to plan each of them by itself is dear.
SET enable_partition_pruning = on;
SET constraint_exclusion = partition;
SET enable_partitionwise_join = off;
SET enable_partitionwise_aggregate = off;
-- What the planner weighs plans by, and how many it looks at: with other weights it walks another index, and joins of the catalog are
-- made in the order in which they are written.
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
-- A page is sorted in memory.
SET work_mem = '4MB';
SET hash_mem_multiplier = 2;
-- Parallel workers could return the rows of a page out of order. The second is called debug_parallel_query from PostgreSQL 16 on.
SET max_parallel_workers_per_gather = 0;
SELECT set_config('force_parallel_mode', 'off', false) WHERE current_setting('force_parallel_mode', true) IS NOT NULL;
SELECT set_config('debug_parallel_query', 'off', false) WHERE current_setting('debug_parallel_query', true) IS NOT NULL;
-- The planner takes what is switched off above for very expensive, so that jit would compile statements that run in a millisecond.
SET jit = off;

-- Migrations create ordinary tables, whatever else is installed.
SET default_table_access_method = heap;
