-- A position knows its database, not only its cluster: a dump restored beside the database that it was taken of has another OID, but the
-- cluster and the timeline of the position that came along.
ALTER TABLE forwarder.sink
    -- The database that the position was saved in; null: not known, 0: none, the position says nothing here. ALTER DATABASE … RENAME and
    -- pg_upgrade (to 15 and newer) keep it, CREATE DATABASE … TEMPLATE and a restored dump do not.
    ADD COLUMN database_oid oid,
    -- The transaction that saved it. The row's own xmin is the same as long as nobody has copied the row: PostgreSQL's files keep it,
    -- pg_upgrade included, and a dump or logical replication writes the row anew.
    ADD COLUMN saved_txid xid8;
UPDATE forwarder.sink
SET database_oid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database());

ALTER TABLE forwarder.history
    ADD COLUMN database_oid oid,
    ADD COLUMN noticed_txid xid8;
UPDATE forwarder.history
SET database_oid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()), noticed_txid = pg_current_xact_id();

-- What the ids of changes begin with: a change has the name that is valid from the highest number whose `after_seq` is below its seq.
CREATE TABLE forwarder.origin (
    number    integer GENERATED ALWAYS AS IDENTITY,
    after_seq bigint NOT NULL,
    name      text   NOT NULL,
    CONSTRAINT origin_pkey PRIMARY KEY (number)
);

-- Whether a position sees a change: it is delivered then. This is the one definition of that.
--   * What the snapshot sees, and what it takes for not yet begun although it is no higher than the floor: such a seq was drawn before
--     the snapshot was taken, so the transaction is one of another cluster, from which the change was copied together with its id.
--   * No SET and nothing that depends on the session, so that it is inlined into the queries.
CREATE FUNCTION forwarder.sees(delivered pg_snapshot, floor_seq bigint, txid xid8, seq bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT pg_catalog.pg_visible_in_snapshot(txid, delivered)
        OR txid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(delivered) AND seq OPERATOR(pg_catalog.<=) floor_seq
$$;

-- Whether a position means nothing here, since it was saved in another cluster or database, or in a later state of this one.
CREATE FUNCTION forwarder.is_foreign(sink forwarder.sink) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sink.system_identifier <> control.system_identifier
        OR coalesce(sink.database_oid <> (SELECT oid FROM pg_database WHERE datname = current_database()), false)
        OR pg_snapshot_xmax(coalesce(sink.batch, sink.delivered)) > pg_snapshot_xmax(pg_current_snapshot())
        OR greatest(sink.floor_seq, sink.batch_floor_seq) > coalesce(pg_sequence_last_value('forwarder.outbox_seq'), 0)
    FROM pg_control_system() AS control
$$;

-- What each sink's position says of what is delivered here. Of a foreign one only the last seq counts: nothing is seen, all up to that seq
-- is delivered. A change is delivered if (delivered, floor_seq) sees it, or if it has a seq up to batch_last_seq and (batch,
-- batch_floor_seq) sees it.
CREATE FUNCTION forwarder.standings() RETURNS TABLE (
    sink            text,
    is_foreign      boolean,
    delivered       pg_snapshot,
    floor_seq       bigint,
    batch           pg_snapshot,
    batch_floor_seq bigint,
    batch_last_seq  bigint
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        sink.name,
        told.is_foreign,
        CASE WHEN told.is_foreign THEN '1:1:' ELSE sink.delivered END,
        CASE WHEN told.is_foreign THEN sink.last_seq ELSE sink.floor_seq END,
        CASE WHEN NOT told.is_foreign THEN sink.batch END,
        CASE WHEN NOT told.is_foreign THEN sink.batch_floor_seq END,
        CASE WHEN NOT told.is_foreign THEN sink.batch_last_seq END
    FROM forwarder.sink AS sink, LATERAL (SELECT forwarder.is_foreign(sink) AS is_foreign) AS told
$$;

-- As in 0011_rights.sql, and what is said there and in 0004_ring.sql holds. But what is delivered is what forwarder.sees says: changes
-- that were copied from an older cluster may have ids that no snapshot of this one sees for years.
--   * What a batch under way has delivered does not count, see 0004_ring.sql.
--   * The probes by seq and by txid tell of almost every leaf; only one with changes of two clusters may have to be looked through.
CREATE OR REPLACE FUNCTION forwarder.is_spent(leaf regclass, retention_seconds double precision) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    newest_txid xid8;
    newest_seq bigint;
    newest_at timestamptz;
    position record;
    holds_undelivered boolean;
BEGIN
    PERFORM forwarder.require_read_committed('is_spent');
    EXECUTE format('SELECT txid FROM %s ORDER BY txid DESC, seq DESC LIMIT 1', leaf) INTO newest_txid;
    EXECUTE format('SELECT seq, at FROM %s ORDER BY seq DESC LIMIT 1', leaf) INTO newest_seq, newest_at;
    IF newest_txid IS NULL THEN
        RETURN pg_relation_size(leaf) > 0;
    ELSIF newest_at > clock_timestamp() - make_interval(secs => retention_seconds) THEN
        RETURN false;
    END IF;
    FOR position IN SELECT * FROM forwarder.standings() LOOP
        IF position.is_foreign THEN
            RETURN false;
        END IF;
        IF newest_txid >= pg_snapshot_xmax(position.delivered) AND newest_seq > position.floor_seq THEN
            EXECUTE format(
                'SELECT EXISTS (
                     SELECT FROM %s
                     WHERE txid >= pg_snapshot_xmax($1) AND seq > $2 AND NOT forwarder.sees($1, $2, txid, seq))', leaf)
            INTO holds_undelivered USING position.delivered, position.floor_seq;
            IF holds_undelivered THEN
                RETURN false;
            END IF;
        END IF;
        EXECUTE format(
            'SELECT EXISTS (
                 SELECT FROM %s
                 WHERE txid = ANY (ARRAY(SELECT pg_snapshot_xip($1))) AND NOT forwarder.sees($1, $2, txid, seq))', leaf)
        INTO holds_undelivered USING position.delivered, position.floor_seq;
        IF holds_undelivered THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN FOUND;
END
$$;

-- The name of what is drawn in a history: cluster and database, and for all but the first the transaction that has noticed it. What else a copy
-- has, its number for one, comes with the dump, and that may be restored more than once in one place.
CREATE FUNCTION forwarder.name_origin(history forwarder.history) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        format('%s/%s', history.system_identifier, history.database_oid)
        || CASE WHEN history.number > 1 THEN '.' || history.noticed_txid ELSE '' END
$$;

-- As in 0011_rights.sql and 0008_history.sql, and what is said there holds. What is new:
--   * A copy in the same cluster is another history: the database has another OID, or its rows were written anew by a restore.
--   * A cluster with another identifier is no other history if pg_upgrade has made it of the one before: every position is as its
--     saver wrote it, of this database, and nothing here is of a later state or of another cluster's transactions.
--   * The sequence may have been left out of a dump. Then seqs are drawn for a second time, and no floor and no last seq says what is
--     delivered. It shows in a sequence below them, or, if writers have gone past them by now, in changes no higher than a floor
--     that were captured after it was read. The clocks of two servers may differ by ten seconds; on one, transactions must agree too,
--     since changes that came along from another cluster have any id.
--   * In another cluster or database changes have another name from the first on that no sink had delivered before: the database of
--     before may go on, and draws the same seqs for other changes.
CREATE OR REPLACE FUNCTION forwarder.enter_history(cluster bigint, line bigint) RETURNS SETOF forwarder.history
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known forwarder.history;
    entered forwarder.history;
    was_written_here boolean;
    is_same_database boolean;
    lacks_sequence boolean;
    drawn_seq bigint;
    highest_seq bigint;
    from_seq bigint;
    here oid := (SELECT oid FROM pg_database WHERE datname = current_database());
BEGIN
    PERFORM forwarder.require_read_committed('enter_history');
    -- Each history takes 2^36 seqs, of which there is an end. Whoever is not the owner may tell only what is true.
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') AND NOT EXISTS (
        SELECT FROM pg_control_system() AS control
        WHERE control.system_identifier = cluster
          AND ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint = line
    ) THEN
        RAISE 'cluster % and timeline % are not those of this server', cluster, line;
    END IF;
    LOCK TABLE forwarder.history IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO known FROM forwarder.history ORDER BY number DESC LIMIT 1;
    SELECT xmin = noticed_txid::xid INTO was_written_here FROM forwarder.history ORDER BY number DESC LIMIT 1;
    -- The positions first: leaders of other sinks go on saving, and whatever they have saved by now was drawn before.
    SELECT coalesce(max(greatest(last_seq, floor_seq, batch_floor_seq)), 0) INTO highest_seq FROM forwarder.sink;
    drawn_seq := coalesce(pg_sequence_last_value('forwarder.outbox_seq'), 0);
    lacks_sequence := highest_seq > drawn_seq;
    -- Null where the release before has written it.
    is_same_database := coalesce(known.database_oid = here, true) AND coalesce(was_written_here, true) AND NOT lacks_sequence;
    IF known.system_identifier = cluster AND known.timeline = line AND is_same_database THEN
        RETURN;
    END IF;

    IF known.system_identifier <> cluster AND is_same_database
        AND EXISTS (SELECT FROM forwarder.sink)
        AND NOT EXISTS (
            SELECT FROM forwarder.sink AS sink
            WHERE (sink.xmin = sink.saved_txid::xid AND sink.database_oid = here
                   AND sink.system_identifier = known.system_identifier
                   AND pg_snapshot_xmax(coalesce(sink.batch, sink.delivered)) <= pg_snapshot_xmax(pg_current_snapshot())) IS NOT TRUE
        )
        AND NOT EXISTS (SELECT FROM forwarder.outbox WHERE txid >= pg_snapshot_xmax(pg_current_snapshot()))
    THEN
        UPDATE forwarder.sink SET system_identifier = cluster, saved_txid = pg_current_xact_id();
        UPDATE forwarder.history SET system_identifier = cluster, timeline = line, noticed_txid = pg_current_xact_id()
        WHERE number = known.number;
        RETURN;
    END IF;

    IF NOT lacks_sequence AND NOT (known.system_identifier = cluster AND is_same_database) THEN
        lacks_sequence := EXISTS (
            SELECT
            FROM forwarder.sink AS sink
            JOIN forwarder.outbox AS change ON change.seq <= coalesce(sink.batch_floor_seq, sink.floor_seq)
            WHERE CASE
                WHEN known.system_identifier = cluster
                THEN change.at > sink.updated_at
                    AND NOT pg_visible_in_snapshot(change.txid, coalesce(sink.batch, sink.delivered))
                ELSE change.at > sink.updated_at + interval '10 seconds'
            END
        );
    END IF;
    IF lacks_sequence THEN
        UPDATE forwarder.sink SET last_seq = 0, floor_seq = 0, database_oid = 0;
    END IF;
    IF known.number IS NULL THEN
        INSERT INTO forwarder.history VALUES (1, cluster, line, 0, 1, now(), here, pg_current_xact_id());
        RETURN;
    END IF;
    from_seq := (greatest(drawn_seq, highest_seq) / forwarder.leaf_events() + 1) * forwarder.leaf_events() + (1::bigint << 36);
    PERFORM setval('forwarder.outbox_seq', from_seq - 1);
    INSERT INTO forwarder.history
    SELECT known.number + 1, cluster, line, coalesce(max(sink.last_seq), 0), from_seq, now(), here, pg_current_xact_id()
    FROM forwarder.sink AS sink
    RETURNING * INTO entered;
    -- Without a name until now, it is the release before that delivers, which knows of none.
    IF NOT (known.system_identifier = cluster AND is_same_database) AND EXISTS (SELECT FROM forwarder.origin) THEN
        INSERT INTO forwarder.origin (after_seq, name) VALUES (entered.shared_to_seq, forwarder.name_origin(entered));
    END IF;
    RETURN NEXT entered;
END
$$;

-- What the ids of changes begin with, the newest name first. To be called when the history is entered.
-- Where something was delivered by the release that knew no names, ids go on as they were, with the cluster alone, for 2^20 changes: so
-- they are the same while both releases run, and in what they send again.
CREATE FUNCTION forwarder.origins() RETURNS SETOF forwarder.origin
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known forwarder.history;
BEGIN
    PERFORM forwarder.require_read_committed('origins');
    LOCK TABLE forwarder.history IN SHARE ROW EXCLUSIVE MODE;
    IF NOT EXISTS (SELECT FROM forwarder.origin) THEN
        SELECT * INTO STRICT known FROM forwarder.history ORDER BY number DESC LIMIT 1;
        IF EXISTS (SELECT FROM forwarder.sink) THEN
            INSERT INTO forwarder.origin (after_seq, name) VALUES (0, known.system_identifier::text);
            INSERT INTO forwarder.origin (after_seq, name)
            VALUES (
                coalesce(pg_sequence_last_value('forwarder.outbox_seq'), 0) + (1 << 20),
                format('%s/%s', known.system_identifier, known.database_oid));
        ELSE
            INSERT INTO forwarder.origin (after_seq, name)
            VALUES (0, format('%s/%s', known.system_identifier, known.database_oid));
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM forwarder.origin ORDER BY number DESC;
END
$$;

DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace
          AND proname IN ('sees', 'is_foreign', 'standings', 'name_origin', 'origins')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;
