-- Who may do what in this schema. The grants themselves are made by each `forwarder migrate`, from sql/queries/rights_due.sql; here are
-- the functions that make it possible that neither the trigger function nor the listener has to have the rights of the schema's owner.

-- Names in these are PostgreSQL's own, whatever the search_path of the session is that calls them. (Functions that capture() calls are called
-- with its path, and some are to be inlined.)
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace AND proname IN ('register', 'forget')
    LOOP
        EXECUTE pg_catalog.format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', routine);
    END LOOP;
END
$$;

-- Fails where one snapshot serves a whole transaction: what was committed since it was taken would not be seen, and be lost.
CREATE FUNCTION forwarder.require_read_committed(caller text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    isolation text := current_setting('transaction_isolation');
BEGIN
    IF isolation NOT IN ('read committed', 'read uncommitted') THEN
        RAISE 'forwarder.%() needs READ COMMITTED, and this transaction is %: it would not see what was committed since it began; SET default_transaction_isolation = ''read committed'' and run it again',
            caller, isolation;
    END IF;
END
$$;

-- Gives a table that takes the place of another the owner and the rights of that, and nothing that default privileges have granted.
CREATE FUNCTION forwarder.carry_over_rights(origin regclass, heir regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('ALTER TABLE %s OWNER TO %I', heir, pg_get_userbyid(old.relowner))
        FROM pg_class AS old, pg_class AS new
        WHERE old.oid = origin AND new.oid = heir AND new.relowner <> old.relowner
    LOOP
        EXECUTE statement;
    END LOOP;
    FOR statement IN
        SELECT DISTINCT format(
            'REVOKE ALL ON TABLE %s FROM %s CASCADE',
            heir, CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END)
        FROM pg_class AS new CROSS JOIN LATERAL aclexplode(new.relacl) AS acl
        WHERE new.oid = heir AND acl.grantee <> new.relowner
    LOOP
        EXECUTE statement;
    END LOOP;
    FOR statement IN
        SELECT format(
            'GRANT %s ON TABLE %s TO %s%s',
            given.privilege,
            heir,
            CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END,
            CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM (
            SELECT acl.grantee, acl.privilege_type AS privilege, acl.is_grantable, old.relowner
            FROM pg_class AS old CROSS JOIN LATERAL aclexplode(old.relacl) AS acl
            WHERE old.oid = origin
            UNION ALL
            SELECT acl.grantee, format('%s (%I)', acl.privilege_type, attribute.attname), acl.is_grantable, old.relowner
            FROM pg_class AS old
            JOIN pg_attribute AS attribute ON attribute.attrelid = old.oid AND NOT attribute.attisdropped
            CROSS JOIN LATERAL aclexplode(attribute.attacl) AS acl
            WHERE old.oid = origin
        ) AS given
        WHERE given.grantee <> given.relowner
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

-- The four functions below and lay_out are those of 0004_ring.sql, 0006_pause.sql and 0008_history.sql, and what is said there holds.
-- What is new:
--   * SECURITY DEFINER: the role of `forwarder listen` may call them and need not own what they change. They look at what they are
--     given, since that role may change nothing else.
--   * They refuse a transaction in which a second look would show what the first one did.

CREATE OR REPLACE FUNCTION forwarder.leaves() RETURNS TABLE (
    number     integer,
    name       text,
    is_empty   boolean,
    bytes      bigint,
    newest_seq bigint,
    newest_at  timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER
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

-- No SECURITY DEFINER: those who may call it own the outbox, or are functions of its owner.
CREATE OR REPLACE FUNCTION forwarder.is_spent(leaf regclass, retention_seconds double precision) RETURNS boolean
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
    PERFORM forwarder.require_read_committed('is_spent');
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
    EXECUTE format('TRUNCATE TABLE %s', leaf);
    PERFORM forwarder.index_states(leaf);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION forwarder.compact_sinks(max_pages integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10ms'
AS $$
DECLARE
    positions forwarder.sink[];
BEGIN
    PERFORM forwarder.require_read_committed('compact_sinks');
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

CREATE OR REPLACE FUNCTION forwarder.enter_history(cluster bigint, line bigint) RETURNS SETOF forwarder.history
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known forwarder.history;
    drawn_seq bigint;
    from_seq bigint;
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
    IF known.system_identifier = cluster AND known.timeline = line THEN
        RETURN;
    END IF;
    SELECT last_value INTO drawn_seq FROM forwarder.outbox_seq;
    UPDATE forwarder.sink SET last_seq = 0 WHERE last_seq > drawn_seq;
    IF known.number IS NULL THEN
        INSERT INTO forwarder.history VALUES (1, cluster, line, 0, 1);
        RETURN;
    END IF;
    from_seq := (drawn_seq / forwarder.leaf_events() + 1) * forwarder.leaf_events() + (1::bigint << 36);
    PERFORM setval('forwarder.outbox_seq', from_seq - 1);
    RETURN QUERY
        INSERT INTO forwarder.history
        SELECT known.number + 1, cluster, line, coalesce(max(sink.last_seq), 0), from_seq
        FROM forwarder.sink AS sink
        RETURNING *;
END
$$;

CREATE OR REPLACE FUNCTION forwarder.set_paused(is_paused boolean) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was integer[] := forwarder.paused_tables();
    wanted integer[] := '{}';
BEGIN
    PERFORM forwarder.require_read_committed('set_paused');
    IF is_paused THEN
        SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO wanted
        FROM forwarder.captured_table WHERE removed_at IS NULL;
    END IF;
    IF wanted = was THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION forwarder.paused_tables() RETURNS integer[] LANGUAGE sql STABLE AS %L',
        format('SELECT %L::integer[]', wanted));
    RETURN QUERY
    WITH changed AS (
        SELECT * FROM forwarder.captured_table WHERE (id = ANY (wanted)) <> (id = ANY (was))
    ),
    gap AS (
        INSERT INTO forwarder.outbox (table_id, relation, op, fault)
        SELECT id, relation, 'G', CASE WHEN is_paused THEN 'capture paused' ELSE 'capture resumed' END FROM changed
    )
    SELECT format('%I.%I', schema_name, table_name) FROM changed ORDER BY 1;
END
$$;

-- The new table has the rights of the old one before anybody can write to it: without them the writers' triggers would fail.
CREATE OR REPLACE FUNCTION forwarder.lay_out(leaf_events bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bits integer := round(log(2, leaf_events))::integer;
    unspent text[];
    leaf text;
BEGIN
    PERFORM forwarder.require_read_committed('lay_out');
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
    -- The columns keep their order, which the defaults of txid and seq rely on. Indexes of the whole table come to each leaf by themselves.
    EXECUTE format(
        'CREATE TABLE forwarder.outbox (LIKE forwarder.outbox_before INCLUDING DEFAULTS INCLUDING INDEXES)
         PARTITION BY LIST (((seq >> %s) & 7))', bits);
    -- The size is part of the leaves' names, since those of the old table still stand beside them.
    FOR number IN 0..7 LOOP
        EXECUTE format(
            'CREATE TABLE forwarder.outbox_%1$s_%2$s PARTITION OF forwarder.outbox (
                 CONSTRAINT outbox_%1$s_%2$s_pkey PRIMARY KEY (seq)
             ) FOR VALUES IN (%2$s) WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false)', bits, number);
        EXECUTE format(
            'CREATE INDEX outbox_%1$s_%2$s_txid_idx ON forwarder.outbox_%1$s_%2$s (txid, seq)', bits, number);
        PERFORM forwarder.index_states(format('forwarder.outbox_%s_%s', bits, number)::regclass);
    END LOOP;
    FOREACH leaf IN ARRAY unspent LOOP
        EXECUTE format('INSERT INTO forwarder.outbox SELECT * FROM %s', leaf);
    END LOOP;
    PERFORM forwarder.carry_over_rights(old.inhrelid, new.inhrelid)
    FROM (SELECT min(inhrelid) AS inhrelid FROM pg_inherits WHERE inhparent = 'forwarder.outbox_before'::regclass) AS old,
        pg_inherits AS new
    WHERE new.inhparent = 'forwarder.outbox'::regclass;
    PERFORM forwarder.carry_over_rights('forwarder.outbox_before', 'forwarder.outbox');
    DROP TABLE forwarder.outbox_before;
END
$$;

-- Makes the role that is to own forwarder.capture(), and the owner of this schema a member of it: later migrations replace the function,
-- which only its owner may. Needs CREATEROLE, or a role that is there and granted already.
CREATE FUNCTION forwarder.make_capture_role(role_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Since PostgreSQL 16 a membership says for itself what it is good for; before, it is good for everything.
    says_what boolean := current_setting('server_version_num')::integer >= 160000;
    owner_name name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'forwarder.migration'::regclass);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- By a `forwarder migrate` of another database of this cluster, a moment ago.
            NULL;
        END;
    END IF;
    IF NOT pg_has_role(owner_name, role_name, 'USAGE')
        OR NOT pg_has_role(owner_name, role_name, CASE WHEN says_what THEN 'SET' ELSE 'MEMBER' END)
    THEN
        EXECUTE format(
            'GRANT %I TO %I%s', role_name, owner_name, CASE WHEN says_what THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END);
    END IF;
END
$$;

-- Gives forwarder.capture() to a role that has been granted what it needs. Whoever had it before keeps what was granted: a statement that
-- is running calls the function with those rights to its end, and would fail without them. Only whoever may create in the schema can
-- be given a function in it, hence CREATE for a moment.
CREATE FUNCTION forwarder.entrust_capture(role_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner_name name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'forwarder.migration'::regclass);
BEGIN
    IF NOT pg_has_role(owner_name, role_name, 'USAGE') THEN
        RAISE 'role % would not inherit the rights of %, and could not replace forwarder.capture(); ALTER ROLE % INHERIT',
            quote_ident(owner_name), quote_ident(role_name), quote_ident(owner_name);
    END IF;
    IF role_name = (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'forwarder.capture'::regproc) THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT CREATE ON SCHEMA forwarder TO %I', role_name);
    EXECUTE format('ALTER FUNCTION forwarder.capture() OWNER TO %I', role_name);
    EXECUTE format('REVOKE CREATE ON SCHEMA forwarder FROM %I', role_name);
END
$$;

-- What runs with the owner's rights is nobody's from the moment that it is there. capture() is left to `forwarder migrate`: the owners
-- of partitioned tables need it, and it says what it does.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace AND proname <> 'capture'
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$;
