-- Dead letters of very large transactions, replays that take many small transactions, and what can be known of a transaction of which the
-- outbox holds no more than a part.

-- The lock is asked for briefly, since a leader that sets something aside queues behind whoever waits for it; `forwarder migrate` asks again.
SET LOCAL lock_timeout = '100ms';
-- Of a very large transaction only the last change says how many there are: a letter says what its record said.
ALTER TABLE forwarder.dead_letter ALTER COLUMN tx_count DROP NOT NULL;

-- The `forwarder replay --table` of a sink that is not done yet: one that was interrupted goes on here, and sends nothing twice.
CREATE TABLE forwarder.replay (
    sink              text        NOT NULL,
    -- What the command was asked for, in its own words: who asks for the same goes on.
    asked_for         text        NOT NULL,
    table_ids         integer[]   NOT NULL,
    first_seq         bigint      NOT NULL,
    first_at          timestamptz NOT NULL,
    -- Every change of these tables below it was looked at.
    next_seq          bigint      NOT NULL,
    -- Nothing that was delivered when it began has a higher seq.
    last_seq          bigint      NOT NULL,
    -- So many changes are among the dead letters to be sent again, or were.
    changes           bigint      NOT NULL DEFAULT 0,
    -- Whether some were dropped from the outbox before it came to them.
    is_short          boolean     NOT NULL DEFAULT false,
    begun_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The sink's position when it began, as in forwarder.sink: what that says is delivered is sent again. And where it means something.
    delivered         pg_snapshot NOT NULL,
    floor_seq         bigint      NOT NULL,
    batch             pg_snapshot,
    batch_floor_seq   bigint,
    batch_last_seq    bigint,
    system_identifier bigint      NOT NULL,
    database_oid      oid         NOT NULL,
    CONSTRAINT replay_pkey PRIMARY KEY (sink)
);

-- The newest transaction of which a change was dropped from the outbox, in the cluster whose transactions are meant; 0: nothing ever was.
-- Whatever older transactions have left there may be a part of them, so nobody can say any more which of how many a change is. Those that are
-- not delivered are complete. What was dropped before this migration is not known: then it counts all that has begun by now.
CREATE TABLE forwarder.dropped (
    is_only           boolean NOT NULL DEFAULT true,
    txid              xid8    NOT NULL,
    system_identifier bigint  NOT NULL,
    CONSTRAINT dropped_pkey PRIMARY KEY (is_only),
    CONSTRAINT dropped_is_only_check CHECK (is_only)
);
INSERT INTO forwarder.dropped (txid, system_identifier)
SELECT
    CASE
        WHEN NOT sequence.is_called OR EXISTS (SELECT FROM forwarder.outbox WHERE seq = 1) THEN '0'
        ELSE pg_snapshot_xmax(pg_current_snapshot())
    END,
    control.system_identifier
FROM forwarder.outbox_seq AS sequence, pg_catalog.pg_control_system() AS control;

-- Remembers that changes of a transaction are dropped, and maybe of older ones.
CREATE FUNCTION forwarder.note_dropped(newest xid8) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE forwarder.dropped AS dropped
    SET
        txid = CASE WHEN dropped.system_identifier = control.system_identifier THEN greatest(dropped.txid, newest) ELSE newest END,
        system_identifier = control.system_identifier
    FROM pg_control_system() AS control
    WHERE newest IS NOT NULL
      AND (dropped.system_identifier <> control.system_identifier OR dropped.txid < newest)
$$;

-- The newest transaction that has a change in a leaf: an index probe. Null if there is none.
CREATE FUNCTION forwarder.newest_txid(leaf regclass) RETURNS xid8
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    newest xid8;
BEGIN
    EXECUTE format('SELECT txid FROM %s ORDER BY txid DESC, seq DESC LIMIT 1', leaf) INTO newest;
    RETURN newest;
END
$$;

-- As in 0011_rights.sql and 0004_ring.sql, and what is said there holds. What is new: it remembers what it drops.
CREATE OR REPLACE FUNCTION forwarder.reclaim(leaf regclass, retention_seconds double precision) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- TRUNCATE locks the TOAST table too, and a vacuum may be at work there: then not now.
SET lock_timeout = '10ms'
AS $$
DECLARE
    leaf_number bigint;
    number_in_use bigint;
BEGIN
    PERFORM forwarder.require_read_committed('reclaim');
    SELECT listed.number INTO leaf_number FROM forwarder.leaves() AS listed WHERE listed.name = leaf::text;
    IF leaf_number IS NULL THEN
        RAISE '% is no leaf of forwarder.outbox; forwarder.leaves() lists them', leaf;
    END IF;
    IF NOT forwarder.is_spent(leaf, retention_seconds) THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', leaf);
    SELECT last_value / forwarder.leaf_events() % 8 INTO number_in_use FROM forwarder.outbox_seq;
    IF (leaf_number - number_in_use + 8) % 8 < 2 OR NOT forwarder.is_spent(leaf, retention_seconds) THEN
        RETURN false;
    END IF;
    PERFORM forwarder.note_dropped(forwarder.newest_txid(leaf));
    EXECUTE format('TRUNCATE TABLE %s', leaf);
    PERFORM forwarder.index_states(leaf);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION forwarder.note_dropped(xid8), forwarder.newest_txid(regclass) FROM PUBLIC;
