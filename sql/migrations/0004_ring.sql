-- The outbox as a ring whose leaves are truncated: what the janitor of `forwarder listen` calls. No row of the outbox is ever
-- deleted or updated, so it does not matter what holds vacuum back.

-- A leaf lives for minutes and ends with TRUNCATE, which leaves nothing to vacuum and renews relfrozenxid. Only a leaf that was
-- not truncated for autovacuum_freeze_max_age transactions is vacuumed, as PostgreSQL insists; nobody waits for that.
DO $$
DECLARE
    leaf regclass;
BEGIN
    FOR leaf IN SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = 'forwarder.outbox'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false, toast.autovacuum_enabled = false)', leaf);
    END LOOP;
END
$$;

-- How many values of seq a leaf takes before writers go on to the next, as the partition key says: (seq >> 18) & 7.
CREATE FUNCTION forwarder.leaf_events() RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 1::bigint << substring(pg_get_partkeydef('forwarder.outbox'::regclass) FROM '>> (\d+)')::integer
$$;

-- The leaves: which of the eight each is, how large, and its newest change, which is the one with the highest seq. Each look is
-- an index probe, whatever the leaf holds.
CREATE FUNCTION forwarder.leaves() RETURNS TABLE (
    number     integer,
    name       text,
    is_empty   boolean,
    bytes      bigint,
    newest_seq bigint,
    newest_at  timestamptz
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
    FOR number, name, is_empty, bytes IN
        SELECT
            substring(pg_get_expr(class.relpartbound, class.oid) FROM '\d+')::integer,
            class.oid::regclass::text,
            pg_relation_size(class.oid) = 0,
            pg_total_relation_size(class.oid)
        FROM pg_inherits AS child
        JOIN pg_class AS class ON class.oid = child.inhrelid
        WHERE child.inhparent = 'forwarder.outbox'::regclass
        ORDER BY 1
    LOOP
        EXECUTE format('SELECT seq, at FROM %s ORDER BY seq DESC LIMIT 1', name) INTO newest_seq, newest_at;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Whether a leaf holds something, and every change in it is delivered to every sink, and the newest is older than so many
-- seconds. What was rolled back is something, too.
--   * Delivered is what the snapshot `delivered` of a sink sees. What a batch under way has delivered does not count yet: a
--     restart in the middle of a batch counts the changes of its transactions anew, so all of them have to be there.
--   * A sink of another cluster (see load_position.sql) has delivered nothing that could be told, and where no sink has ever run
--     nothing is delivered.
--   * Each look is an index probe, whatever the leaf holds.
CREATE FUNCTION forwarder.is_spent(leaf regclass, retention_seconds double precision) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    newest_txid xid8;
    newest_at timestamptz;
    sink record;
    holds_running boolean;
BEGIN
    EXECUTE format('SELECT txid FROM %s ORDER BY txid DESC, seq DESC LIMIT 1', leaf) INTO newest_txid;
    EXECUTE format('SELECT at FROM %s ORDER BY seq DESC LIMIT 1', leaf) INTO newest_at;
    IF newest_txid IS NULL THEN
        RETURN pg_relation_size(leaf) > 0;
    ELSIF newest_at > clock_timestamp() - make_interval(secs => retention_seconds) THEN
        RETURN false;
    END IF;
    FOR sink IN SELECT system_identifier, delivered, coalesce(batch, delivered) AS latest FROM forwarder.sink LOOP
        IF newest_txid >= pg_snapshot_xmax(sink.delivered)
            OR pg_snapshot_xmax(sink.latest) > pg_snapshot_xmax(pg_current_snapshot())
            OR sink.system_identifier <> (SELECT control.system_identifier FROM pg_control_system() AS control)
        THEN
            RETURN false;
        END IF;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE txid = ANY (ARRAY(SELECT pg_snapshot_xip($1))))', leaf)
        INTO holds_running USING sink.delivered;
        IF holds_running THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN FOUND;
END
$$;

-- Empties a leaf that is spent, unless it is the one in use or the next. Returns whether it did, or null if somebody uses the leaf
-- at this moment.
--   * No writer fails, or waits for longer than the TRUNCATE takes. A writer keeps its lock on a leaf to the end of its
--     transaction, so under our lock nothing in the leaf is uncommitted. NOWAIT, since whoever waits for this lock makes all others
--     queue behind it. Who asks while we have it is a reader, or a writer that drew its seq almost a lap ago.
--   * The first look costs nobody anything. It also clears the indexes of what was rolled back, which the look under the lock
--     would have to pass over. Each look has a snapshot of its own, and a commit is visible before its locks are released.
--   * TRUNCATE ignores snapshots: a reader with an older one finds the leaf empty. All that was in it is delivered to every sink
--     there was, so only those miss it who read again what is delivered. A sink that is created meanwhile begins with what is
--     retained, like any other.
--   * A crash forgets no position that this relied on: TRUNCATE waits for the WAL's flush, and the positions stand before it there.
CREATE FUNCTION forwarder.reclaim(leaf regclass, retention_seconds double precision) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
-- TRUNCATE locks the TOAST table too, and a vacuum may be at work there: then not now.
SET lock_timeout = '10ms'
AS $$
DECLARE
    leaf_number bigint;
    number_in_use bigint;
BEGIN
    IF NOT forwarder.is_spent(leaf, retention_seconds) THEN
        RETURN false;
    END IF;
    SELECT listed.number INTO leaf_number FROM forwarder.leaves() AS listed WHERE listed.name = leaf::text;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', leaf);
    SELECT last_value / forwarder.leaf_events() % 8 INTO number_in_use FROM forwarder.outbox_seq;
    IF (leaf_number - number_in_use + 8) % 8 < 2 OR NOT forwarder.is_spent(leaf, retention_seconds) THEN
        RETURN false;
    END IF;
    EXECUTE format('TRUNCATE TABLE %s', leaf);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END
$$;

-- Rewrites the positions if their dead versions fill more than so many pages. Returns whether it did; if not, try again.
-- A position is updated in place a few times a second, which costs no space as long as vacuum is not held back: a page is tidied by
-- the next update. A transaction that stays open for hours keeps every version alive, but no TRUNCATE from happening. One that
-- has an older snapshot and reads forwarder.sink only afterwards finds it empty: so never do that in REPEATABLE READ.
CREATE FUNCTION forwarder.compact_sinks(max_pages integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
DECLARE
    positions forwarder.sink[];
BEGIN
    IF pg_relation_size('forwarder.sink') <= max_pages * current_setting('block_size')::bigint THEN
        RETURN false;
    END IF;
    LOCK TABLE forwarder.sink IN ACCESS EXCLUSIVE MODE NOWAIT;
    SELECT array_agg(sink) INTO positions FROM forwarder.sink AS sink;
    TRUNCATE TABLE forwarder.sink;
    INSERT INTO forwarder.sink SELECT (position).* FROM unnest(positions) AS position;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

-- Gives the outbox leaves of another size. What is not delivered moves there, leaf by leaf; history stays behind. Writers and readers
-- wait meanwhile, and then find the new table under the old name. So the caller sets a short lock_timeout, and a backlog that would
-- take long to move is refused.
CREATE FUNCTION forwarder.lay_out(leaf_events bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bits integer := round(log(2, leaf_events))::integer;
    unspent text[];
    leaf text;
BEGIN
    IF leaf_events IS DISTINCT FROM 1::bigint << bits THEN
        RAISE 'a leaf of % events is not possible; give a power of two', leaf_events;
    END IF;
    LOCK TABLE forwarder.outbox IN ACCESS EXCLUSIVE MODE;
    SELECT coalesce(array_agg(name), '{}') INTO unspent
    FROM forwarder.leaves() WHERE NOT forwarder.is_spent(name::regclass, 0);
    IF (SELECT sum(bytes) FROM forwarder.leaves() WHERE name = ANY (unspent)) > 256 << 20 THEN
        RAISE 'writers would have to wait while a large backlog is moved; let it be delivered, and run again';
    END IF;

    ALTER TABLE forwarder.outbox RENAME TO outbox_before;
    -- The columns keep their order, which the defaults of txid and seq rely on.
    EXECUTE format(
        'CREATE TABLE forwarder.outbox (LIKE forwarder.outbox_before INCLUDING DEFAULTS)
         PARTITION BY LIST (((seq >> %s) & 7))', bits);
    -- The size is part of the leaves' names, since those of the old table still stand beside them.
    FOR number IN 0..7 LOOP
        EXECUTE format(
            'CREATE TABLE forwarder.outbox_%1$s_%2$s PARTITION OF forwarder.outbox (
                 CONSTRAINT outbox_%1$s_%2$s_pkey PRIMARY KEY (seq)
             ) FOR VALUES IN (%2$s) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false)', bits, number);
        EXECUTE format(
            'CREATE INDEX outbox_%1$s_%2$s_txid_idx ON forwarder.outbox_%1$s_%2$s (txid, seq)', bits, number);
    END LOOP;
    FOREACH leaf IN ARRAY unspent LOOP
        EXECUTE format('INSERT INTO forwarder.outbox SELECT * FROM %s', leaf);
    END LOOP;
    DROP TABLE forwarder.outbox_before;
END
$$;
