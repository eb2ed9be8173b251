-- Makes a session one of ours: all that our statements rely on is as they expect it, whatever the role, the database, the server or the
-- URL has set. `forwarder migrate --sql` prints this too. Not here: session_replication_role and whatever else only a superuser may set;
-- default_tablespace, which is the operator's choice; and synchronous_commit, since nothing of ours relies on it: what a crash forgets
-- was behind everything else in the WAL that it forgets.

-- Each statement sees what was committed before it began, and an update that has waited for another one goes on with the row as that
-- has left it. With an older snapshot, what was committed while we waited for a lock would be overlooked, and then truncated.
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = off;
SET default_transaction_deferrable = off;

-- Functions, operators and types without a schema are PostgreSQL's own, not somebody's who may create his own before them.
SET search_path = pg_catalog, pg_temp;
-- An error, where a policy would hide changes from us.
SET row_security = off;

-- How our texts are to be read. Literals of ours have backslashes; times come and go as text in a few places.
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET DateStyle = 'ISO, YMD';
SET timezone = 'UTC';

-- To be idle is a listener's normal state. A statement that takes so long is stuck, and so is a transaction that asks nothing; how long
-- a transaction takes otherwise says nothing (PostgreSQL 17 can limit that).
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

-- The leaves of the outbox are never analysed, or were when they were empty: statistics would mislead the planner into reading a whole
-- leaf for one page. Without them, and without scans that read all there is before they tell the first row, it walks the indexes.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_indexscan = on;
SET enable_indexonlyscan = on;
-- All others as PostgreSQL comes: without one of these, a plan would sort a backlog, or compare each of its rows with all others.
SET enable_nestloop = on;
SET enable_hashjoin = on;
SET enable_mergejoin = on;
SET enable_hashagg = on;
SET enable_sort = on;
SET enable_material = on;
-- Parallel workers could return the rows of a page out of order.
SET max_parallel_workers_per_gather = 0;
-- What is switched off above counts as endlessly expensive, so each statement would be compiled, which takes longer than to run it.
SET jit = off;

-- What migrations make are ordinary tables.
SET default_table_access_method = heap;
