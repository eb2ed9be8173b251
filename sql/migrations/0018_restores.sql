-- Dumps that are restored in the place of a database while listeners run.
--
-- A row of forwarder.sink is as it was saved if its xmin is its saved_txid: whoever copies it, restores it or changes it by hand writes
-- it anew. Such a row is nobody's: a leader saves no position into it, and loads it first.

-- As in 0011_rights.sql, and what is said there holds. But positions that were as they were saved are so afterwards, and no others. What
-- is written inside of a block with an exception has an xmin of its own: so the rows are written behind it.
CREATE OR REPLACE FUNCTION forwarder.compact_sinks(max_pages integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
DECLARE
    positions forwarder.sink[];
    as_saved text[];
BEGIN
    PERFORM forwarder.require_read_committed('compact_sinks');
    IF pg_relation_size('forwarder.sink') <= max_pages * current_setting('block_size')::bigint THEN
        RETURN false;
    END IF;
    BEGIN
        LOCK TABLE forwarder.sink IN ACCESS EXCLUSIVE MODE NOWAIT;
        SELECT array_agg(sink), array_agg(sink.name) FILTER (WHERE sink.xmin = sink.saved_txid::xid)
        INTO positions, as_saved
        FROM forwarder.sink AS sink;
        TRUNCATE TABLE forwarder.sink;
    EXCEPTION WHEN lock_not_available THEN
        RETURN false;
    END;
    INSERT INTO forwarder.sink SELECT (position).* FROM unnest(positions) AS position;
    UPDATE forwarder.sink SET saved_txid = pg_current_xact_id() WHERE name = ANY (as_saved);
    RETURN true;
END
$$;

-- The name of what is drawn in a history: cluster and database, and for all but the first the moment at which it was noticed. The transaction that
-- noticed it is no name: two copies of one disk may both notice that in the same one.
CREATE OR REPLACE FUNCTION forwarder.name_origin(history forwarder.history) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        format('%s/%s', history.system_identifier, history.database_oid)
        || CASE WHEN history.number > 1 THEN '.' || to_hex((extract(epoch FROM history.noticed_at) * 1000000)::bigint) ELSE '' END
$$;

-- The first history begins here and not when the first listener comes: a dump of before that is known for one then too.
INSERT INTO forwarder.history
SELECT
    1,
    control.system_identifier,
    ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint,
    0,
    1,
    now(),
    here.oid,
    pg_current_xact_id()
FROM pg_catalog.pg_control_system() AS control
JOIN pg_catalog.pg_database AS here ON here.datname = current_database()
WHERE NOT EXISTS (SELECT FROM forwarder.history);

-- As in 0015_copies.sql, and what is said there holds. What is new:
--   * A restore in several transactions makes the tables first, loads them then, and adds the keys in the end. What is written into them
--     meanwhile would make that fail. So nothing is written before the keys are there.
--   * A template's copy, or what pg_upgrade has made, of a database of which nothing was delivered yet is as new as that.
--   * Where no position tells what is delivered, leaders of other sinks must not go on by what they have in memory.
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
    IF EXISTS (
        SELECT
        FROM (
            VALUES ('forwarder.history'::regclass), ('forwarder.origin'), ('forwarder.sink')
            UNION ALL
            SELECT inhrelid FROM pg_inherits WHERE inhparent = 'forwarder.outbox'::regclass
        ) AS loaded (relation)
        WHERE NOT EXISTS (SELECT FROM pg_index AS key WHERE key.indrelid = loaded.relation AND key.indisprimary)
    ) THEN
        RAISE 'schema forwarder has tables without a primary key: a dump is being restored, or was not restored to its end'
            USING ERRCODE = 'object_not_in_prerequisite_state';
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

    IF was_written_here AND NOT (known.system_identifier = cluster AND known.database_oid = here)
        AND NOT EXISTS (SELECT FROM forwarder.sink) AND NOT EXISTS (SELECT FROM forwarder.origin)
    THEN
        UPDATE forwarder.history
        SET system_identifier = cluster, timeline = line, database_oid = here, noticed_at = now(), noticed_txid = pg_current_xact_id()
        WHERE number = known.number;
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
        UPDATE forwarder.sink
        SET last_seq = 0, floor_seq = 0, database_oid = 0, epoch = epoch + 1, saved_txid = pg_current_xact_id();
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

-- As in 0015_copies.sql, and what is said there holds. But a dump that knew of no name yet may have been restored more than once: what is in
-- another history than the first has that one's name.
CREATE OR REPLACE FUNCTION forwarder.origins() RETURNS SETOF forwarder.origin
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
            INSERT INTO forwarder.origin (after_seq, name) VALUES (0, forwarder.name_origin(known));
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM forwarder.origin ORDER BY number DESC;
END
$$;
