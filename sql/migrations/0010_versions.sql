-- What the trigger function knows of the versions of a row: the order in which they were made, whatever triggers the application has; which
-- of them changed the row's key; and when a row is too large to be kept twice.

-- No leaf is rewritten. The lock is asked for briefly, since writers queue behind whoever waits for it; `forwarder migrate` asks again.
SET LOCAL lock_timeout = '100ms';
ALTER TABLE forwarder.outbox
    -- The state of a row that this change replaced, and the one that it made, as hashes: see "Late changes" below. Null for nearly all.
    ADD COLUMN replaces bigint,
    ADD COLUMN makes bigint;

-- Whether a leaf has an index on `replaces`.
CREATE FUNCTION forwarder.has_state_index(leaf regclass) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (
        SELECT
        FROM pg_catalog.pg_index AS index
        JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
        WHERE index.indrelid = $1 AND class.relam = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'hash')
    )
$$;

-- Gives a leaf an index on `replaces`, if it has none. A hash index holds no nulls, and no condition has to be looked at, so most changes pay
-- next to nothing for it (for a partial one three times as much, measured).
CREATE FUNCTION forwarder.index_states(leaf regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT forwarder.has_state_index(leaf) THEN
        EXECUTE format('CREATE INDEX ON %s USING hash (replaces)', leaf);
    END IF;
END
$$;

-- Writers wait while an index is made, for as long as it takes to read the leaf. So leaves that hold much get theirs when they are emptied
-- (forwarder.reclaim); until then late changes are found more slowly.
DO $$
BEGIN
    PERFORM forwarder.index_states(inhrelid)
    FROM pg_catalog.pg_inherits
    WHERE inhparent = 'forwarder.outbox'::regclass AND pg_catalog.pg_relation_size(inhrelid) <= 4 << 20;
END
$$;

-- How many bytes the images of one change may have together. A function, so that it is inlined into the trigger's cached plan, like
-- forwarder.paused_tables().
CREATE FUNCTION forwarder.max_image_bytes() RETURNS bigint
LANGUAGE sql STABLE
AS $$SELECT 67108864::bigint$$;

-- Has images of more than so many bytes left out from now on.
CREATE FUNCTION forwarder.limit_images(max_bytes bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION forwarder.max_image_bytes() RETURNS bigint LANGUAGE sql STABLE AS %L',
        format('SELECT %s::bigint', max_bytes));
END
$$;

-- The key in the image of a row, as a JSON object with the values as they are written there; null for a table without a key, and for an
-- image that holds what PostgreSQL takes and cannot read (half of a surrogate pair in a column of type json).
--   * Under the names that the key's columns have now, or had earlier: somebody may have renamed one since `forwarder migrate`.
CREATE FUNCTION forwarder.key_of(captured_id integer, image text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key text;
BEGIN
    SELECT '{' || string_agg(to_json(member.name)::text || ':' || member.value, ',' ORDER BY key_column.place) || '}' INTO key
    FROM forwarder.captured_table AS captured
    CROSS JOIN LATERAL jsonb_array_elements(captured.key_columns) WITH ORDINALITY AS key_column (value, place)
    CROSS JOIN LATERAL (
        SELECT known.name, (image::json -> known.name)::text AS value
        FROM (
            SELECT attribute.attname::text AS name, 0 AS age
            FROM pg_attribute AS attribute
            WHERE attribute.attrelid = captured.relation
              AND attribute.attnum = (key_column.value ->> 'attnum')::smallint AND NOT attribute.attisdropped
            UNION ALL
            SELECT earlier.name, earlier.age
            FROM jsonb_array_elements_text(key_column.value -> 'names') WITH ORDINALITY AS earlier (name, age)
        ) AS known
        WHERE image::json -> known.name IS NOT NULL
        ORDER BY known.age
        LIMIT 1
    ) AS member
    WHERE captured.id = captured_id
    HAVING count(*) = max(jsonb_array_length(captured.key_columns));
    -- Whoever compares keys does so as jsonb.
    PERFORM key::jsonb;
    RETURN key;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- The functions from here to forwarder.capture() are called by it alone, so they find PostgreSQL's own operators first, as it does. `arguments`
-- are its trigger's (TG_ARGV, which counts from 0): see forwarder.install.

-- The keys of an update's two rows if they differ, else nulls. A member of an image ends before the next `,"`, which no string holds, since JSON
-- escapes a quote. Only if the key's members seem to differ are both images parsed.
CREATE FUNCTION forwarder.keys_if_moved(arguments text[], old_image text, new_image text, OUT old_key text, OUT new_key text)
LANGUAGE plpgsql
AS $$
DECLARE
    label text;
    seem_equal boolean;
BEGIN
    IF cardinality(arguments) = 2
        OR starts_with(new_image, arguments[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1) THEN
        RETURN;
    END IF;
    FOREACH label IN ARRAY arguments[3:] LOOP
        seem_equal := coalesce(seem_equal, true) AND strpos(new_image, label) > 0
            AND split_part(substr(new_image, strpos(new_image, label) + 1), ',"', 1)
                = split_part(substr(old_image, strpos(old_image, label) + 1), ',"', 1);
    END LOOP;
    IF seem_equal THEN
        RETURN;
    END IF;
    old_key := forwarder.key_of(arguments[0]::integer, old_image);
    new_key := forwarder.key_of(arguments[0]::integer, new_image);
    -- As jsonb, 1.0 and 1.00 are one key. A key that cannot be told counts as unchanged.
    IF (old_key::jsonb <> new_key::jsonb) IS NOT TRUE THEN
        old_key := NULL;
        new_key := NULL;
    END IF;
END
$$;

-- What the hashes of states begin with, so that those of different tables and transactions differ.
CREATE FUNCTION forwarder.state_seed(number bigint) RETURNS bigint
LANGUAGE sql STABLE
AS $$SELECT hashint8extended(pg_current_xact_id()::text::bigint, $1)$$;

-- The state of a row in one version. The place of a version (its ctid) in a table's file is not used again while the transaction runs that made or
-- replaced it; TRUNCATE and whatever rewrites a table begins another file.
CREATE FUNCTION forwarder.version(relation oid, place tid) RETURNS bigint
LANGUAGE sql STABLE
AS $$SELECT hashtidextended($2, forwarder.state_seed(pg_relation_filenode($1::regclass)::bigint))$$;

-- The state in which nobody has the key of a row: what a delete makes, and what an insert of the key replaces. Null if the key cannot be told.
CREATE FUNCTION forwarder.free_key(arguments text[], image text) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
    SELECT CASE
        WHEN starts_with($2, $1[2]) THEN hashtextextended(split_part($2, ',"', 1), forwarder.state_seed($1[0]::bigint))
        ELSE jsonb_hash_extended(forwarder.key_of($1[0]::integer, $2)::jsonb, forwarder.state_seed($1[0]::bigint))
    END
$$;

-- Whether this transaction has noted something of a table, in a setting that is its own. A savepoint that is rolled back takes it along.
CREATE FUNCTION forwarder.is_noted(note text, captured_id text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN current_setting($1, true) <> '' THEN strpos(current_setting($1, true), '/' || $2 || '/') > 0
        ELSE false
    END
$$;

-- Notes it.
CREATE FUNCTION forwarder.note(note text, captured_id text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT forwarder.is_noted(note, captured_id) THEN
        PERFORM set_config(note, concat(current_setting(note, true), '/', captured_id, '/'), true);
    END IF;
END
$$;

-- Late changes.
--
-- Triggers fire when their statement ends. If a trigger of the application, or a function that the statement calls, changes a row that
-- the same statement has changed before, then the later change is captured first: it belongs to an inner statement, which ends first.
-- When the earlier one is captured at last, it is late: what is in the outbox already has to come after it.
--
--   1. An insert or update is late if the version of the row that it made has been replaced by then. Its xmax says so: it is zero but for
--      versions that were replaced or locked. Who replaced it is found by its state: a hash of the table's file and the version's place in it
--      (ctid). A change that replaces a version of its own transaction writes down that state, and the one that it makes, and notes that there
--      was such a change of the table. Only then others look. A lock, and what was rolled back, is not found.
--   2. A delete is late if the key was inserted anew before the delete is captured. Nothing about the deleted version says so. But such an
--      insert is one of an inner statement, or comes after a change as in 1; it writes down the state that it replaces, which is that of the
--      free key, and notes that it has taken a key of the table. Only then deletes look.
--
-- What comes after a late change are the changes that lead on from its state, step by step: from a version to the one that replaced it, from a
-- delete to the next insert of the key. All of them were written by this transaction, so nobody has seen them: they are taken out of the
-- outbox and written again behind the late change, in their order.

-- The first change of this transaction that has replaced a state between two seqs, or the last one. `is_indexed`: all leaves have an index on
-- `replaces`. In both cases, the conditions are such that no other index than the one meant fits.
CREATE FUNCTION forwarder.change_of_state(
    state bigint, after_seq bigint, before_seq bigint, is_last boolean, is_indexed boolean,
    OUT seq bigint, OUT op "char", OUT makes bigint
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    IF is_indexed THEN
        SELECT change.seq, change.op, change.makes INTO seq, op, makes
        FROM forwarder.outbox AS change
        WHERE change.replaces = state AND change.txid IS NOT DISTINCT FROM pg_current_xact_id()
          AND change.seq + 0 > after_seq AND change.seq + 0 < before_seq
        ORDER BY CASE WHEN is_last THEN -change.seq ELSE change.seq END
        LIMIT 1;
    ELSE
        SELECT change.seq, change.op, change.makes INTO seq, op, makes
        FROM forwarder.outbox AS change
        WHERE change.replaces + 0 = state AND change.txid = pg_current_xact_id()
          AND change.seq > after_seq AND change.seq < before_seq
        ORDER BY CASE WHEN is_last THEN -change.seq ELSE change.seq END
        LIMIT 1;
    END IF;
END
$$;

-- The seqs below `late_seq` of the changes of this transaction that lead on from a version.
CREATE FUNCTION forwarder.after_version(version bigint, late_seq bigint, is_indexed boolean) RETURNS bigint[]
LANGUAGE plpgsql
AS $$
DECLARE
    later bigint[] := '{}';
    next record;
BEGIN
    next := forwarder.change_of_state(version, 0, late_seq, false, is_indexed);
    WHILE next.seq IS NOT NULL LOOP
        later := later || next.seq;
        next := forwarder.change_of_state(next.makes, next.seq, late_seq, false, is_indexed);
    END LOOP;
    RETURN later;
END
$$;

-- The same from the state of a key that is free since the deletion of a version. Rows may have had the key before that one, in this transaction.
-- So the inserts of the key are gone through from the last one back to that which leads to the version. If none does, since the row was
-- inserted by a usual change of this transaction (`is_ours`), back to a row that was deleted; if it is older, all of them come later.
CREATE FUNCTION forwarder.after_delete(free_key bigint, version bigint, is_ours boolean, late_seq bigint, is_indexed boolean) RETURNS bigint[]
LANGUAGE plpgsql
AS $$
DECLARE
    later bigint[] := '{}';
    seqs bigint[];
    first record;
    next record;
BEGIN
    first := forwarder.change_of_state(free_key, 0, late_seq, true, is_indexed);
    WHILE first.seq IS NOT NULL LOOP
        seqs := '{}';
        next := first;
        WHILE next.seq IS NOT NULL LOOP
            IF next.makes = version OR next.op = 'D' AND is_ours THEN
                RETURN later;
            END IF;
            seqs := seqs || next.seq;
            EXIT WHEN next.op = 'D';
            next := forwarder.change_of_state(next.makes, next.seq, late_seq, false, is_indexed);
        END LOOP;
        later := seqs || later;
        first := forwarder.change_of_state(free_key, 0, first.seq, true, is_indexed);
    END LOOP;
    RETURN later;
END
$$;

-- Writes the changes of this transaction that lead on from a version, or from a key that is free since a version was deleted, again with new
-- seqs, if theirs are below `late_seq`. Nothing but changes of this transaction is moved, whoever calls.
CREATE FUNCTION forwarder.put_behind(late_seq bigint, version bigint, free_key bigint DEFAULT NULL, is_ours boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Each step is a look into an index, however much is in the outbox.
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    is_indexed boolean := NOT EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'forwarder.outbox'::regclass AND NOT forwarder.has_state_index(inhrelid));
    later bigint[] := CASE
        WHEN free_key IS NULL THEN forwarder.after_version(version, late_seq, is_indexed)
        ELSE forwarder.after_delete(free_key, version, is_ours, late_seq, is_indexed)
    END;
BEGIN
    IF later = '{}' THEN
        RETURN;
    END IF;
    WITH taken AS (
        DELETE FROM forwarder.outbox AS change WHERE change.seq = ANY (later) RETURNING change.*
    )
    INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault, replaces, makes)
    SELECT table_id, relation, op, before, after, fault, replaces, makes FROM taken ORDER BY seq;
END
$$;

-- The trigger function of 0006_pause.sql, and what is said there and in 0002_capture.sql holds. Besides:
--   * A row of more than forwarder.max_image_bytes() is kept without images, with fault 54000. What it takes before it is JSON is looked at
--     first, so that no time is spent on a gigabyte of text, unless that is compressed well.
--   * An update that changes the key becomes a delete of the old key and an insert of the new one. A delete has no new row and an insert no old
--     one: there each of the two names the key of the other. Most keys are the first member of an image, and to compare two first members
--     costs next to nothing: TG_ARGV[2] says how an image begins then (see forwarder.install).
--   * A late change puts behind itself what comes after it.
-- All of this is rare. What most rows pay for it is one expression, which says that a row is usual.
CREATE OR REPLACE FUNCTION forwarder.capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET lc_monetary = 'C'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET intervalstyle = 'postgres'
AS $$
DECLARE
    old_image text;
    new_image text;
    conversion_error text;
    is_usual boolean;
BEGIN
    -- The condition is a constant in the plan, as long as nothing is paused.
    IF forwarder.paused_tables() <> '{}' THEN
        IF TG_ARGV[0]::integer = ANY (forwarder.paused_tables()) THEN
            RETURN NULL;
        END IF;
    END IF;

    -- A version that the same transaction has replaced has an xmax, and one that it has made has an xmin that is not older than its own id.
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            new_image := CASE WHEN pg_column_size(NEW) <= forwarder.max_image_bytes() THEN row_to_json(NEW)::text END;
            old_image := CASE WHEN pg_column_size(OLD) <= forwarder.max_image_bytes() THEN row_to_json(OLD)::text END;
            is_usual := age(OLD.xmin) > 0
                AND (NEW.xmax = 0 OR NOT forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0]))
                AND octet_length(new_image) + octet_length(old_image) <= forwarder.max_image_bytes()
                AND (
                    TG_NARGS = 2
                    OR starts_with(new_image, TG_ARGV[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1)
                );
            IF is_usual AND TG_ARGV[1] <> 'full' THEN
                old_image := NULL;
            END IF;
        ELSIF TG_OP = 'INSERT' THEN
            new_image := CASE WHEN pg_column_size(NEW) <= forwarder.max_image_bytes() THEN row_to_json(NEW)::text END;
            is_usual := pg_trigger_depth() = 1 AND NOT forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0])
                AND octet_length(new_image) <= forwarder.max_image_bytes();
        ELSIF TG_OP = 'DELETE' THEN
            old_image := CASE WHEN pg_column_size(OLD) <= forwarder.max_image_bytes() THEN row_to_json(OLD)::text END;
            is_usual := age(OLD.xmin) > 0 AND octet_length(old_image) <= forwarder.max_image_bytes()
                AND NOT forwarder.is_noted('forwarder.keys_taken_in', TG_ARGV[0]);
        ELSE
            is_usual := true;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        old_image := NULL;
        new_image := NULL;
        is_usual := false;
        -- PostgreSQL has no code of its own for a value above 1 GB.
        conversion_error := CASE WHEN SQLERRM LIKE 'invalid memory alloc request size %' THEN '54000' ELSE SQLSTATE END;
    END;

    IF is_usual THEN
        -- The cast to "char" keeps the first letter: I, U, D or T.
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after)
        VALUES (TG_ARGV[0]::integer, TG_RELID, TG_OP::"char", old_image, new_image);
    ELSE
        DECLARE
            old_key text;
            new_key text;
            -- States, as forwarder.put_behind() has them.
            old_version bigint;
            new_version bigint;
            freed_key bigint;
            taken_key bigint;
            first_seq bigint;
        BEGIN
            IF conversion_error IS NULL AND (
                coalesce(octet_length(old_image), 0) + coalesce(octet_length(new_image), 0) > forwarder.max_image_bytes()
                OR old_image IS NULL AND TG_OP <> 'INSERT' OR new_image IS NULL AND TG_OP <> 'DELETE'
            ) THEN
                old_image := NULL;
                new_image := NULL;
                conversion_error := '54000';
            END IF;
            IF TG_OP = 'UPDATE' THEN
                SELECT moved.old_key, moved.new_key INTO old_key, new_key
                FROM forwarder.keys_if_moved(TG_ARGV, old_image, new_image) AS moved;
                IF old_key IS NULL AND TG_ARGV[1] <> 'full' THEN
                    old_image := NULL;
                END IF;
            END IF;

            IF TG_OP <> 'INSERT' THEN
                old_version := forwarder.version(TG_RELID, OLD.ctid);
            END IF;
            IF TG_OP <> 'DELETE' THEN
                new_version := forwarder.version(TG_RELID, NEW.ctid);
            END IF;
            IF TG_OP = 'DELETE' OR old_key IS NOT NULL THEN
                freed_key := forwarder.free_key(TG_ARGV, old_image);
            END IF;
            IF (TG_OP = 'INSERT' OR old_key IS NOT NULL)
                AND (pg_trigger_depth() > 1 OR forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0]))
            THEN
                taken_key := forwarder.free_key(TG_ARGV, new_image);
                PERFORM forwarder.note('forwarder.keys_taken_in', TG_ARGV[0]);
            END IF;
            IF TG_OP <> 'INSERT' THEN
                IF age(OLD.xmin) <= 0 THEN
                    PERFORM forwarder.note('forwarder.versions_replaced_in', TG_ARGV[0]);
                END IF;
            END IF;

            -- The transaction has its id by now, which has to come before (see 0001_outbox.sql).
            first_seq := nextval('forwarder.outbox_seq');
            IF old_key IS NULL THEN
                INSERT INTO forwarder.outbox (seq, table_id, relation, op, before, after, fault, replaces, makes)
                VALUES (
                    first_seq, TG_ARGV[0]::integer, TG_RELID, TG_OP::"char", old_image, new_image, conversion_error,
                    coalesce(old_version, taken_key), coalesce(new_version, freed_key));
            ELSE
                INSERT INTO forwarder.outbox (seq, table_id, relation, op, before, after, replaces, makes)
                VALUES (first_seq, TG_ARGV[0]::integer, TG_RELID, 'D', old_image, new_key, old_version, freed_key);
                INSERT INTO forwarder.outbox (table_id, relation, op, before, after, replaces, makes)
                VALUES (TG_ARGV[0]::integer, TG_RELID, 'I', old_key, new_image, taken_key, new_version);
            END IF;

            IF TG_OP <> 'DELETE' THEN
                IF NEW.xmax <> 0 AND forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0]) THEN
                    PERFORM forwarder.put_behind(first_seq, new_version);
                END IF;
            END IF;
            IF freed_key IS NOT NULL AND forwarder.is_noted('forwarder.keys_taken_in', TG_ARGV[0]) THEN
                PERFORM forwarder.put_behind(first_seq, old_version, freed_key, age(OLD.xmin) <= 0);
            END IF;
        END;
    END IF;

    -- Ring the listener's doorbell, but only if it sleeps. While it sleeps it holds this advisory lock exclusively, so the
    -- shared request is refused. While it is awake the request is granted and held to the end of the transaction: it tells
    -- the listener that a change is under way which nobody will announce. A transaction that notifies cannot be prepared,
    -- hence forwarder.wake; one that notifies into a full queue fails at commit, hence the look at how full it is.
    IF NOT pg_try_advisory_xact_lock_shared(1719100530, 1) THEN
        IF current_setting('forwarder.wake', true) IS DISTINCT FROM 'poll' AND pg_notification_queue_usage() < 0.5 THEN
            PERFORM pg_notify('forwarder', '');
        END IF;
    END IF;

    RETURN NULL;
END
$$;

-- The function of 0003_install.sql, which gives the triggers another argument: `key_labels`, how forwarder.capture() finds the key's members in an
-- image.
--   * The first says how an image begins if the key is one column, the table's first; else it is a blank, with which none begins. Then come the labels
--     of all the key's columns, such as `,"id":`, if no member before them can hold such a text, and none of their values a comma before a quote.
--   * Without any, the images of each update of a table with a key are parsed.
DROP FUNCTION forwarder.install(regclass, text, jsonb, integer);
CREATE FUNCTION forwarder.install(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL,
    key_labels    text[] DEFAULT '{}'
) RETURNS integer
LANGUAGE plpgsql
-- So that a regclass is written with its schema.
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id integer := forwarder.register(target, before_image, key_columns, registered_id);
    arguments text[] := ARRAY[captured_id::text, before_image] || CASE
        WHEN key_columns = '[]' THEN '{}'
        WHEN key_labels = '{}' THEN ARRAY[' ']
        ELSE key_labels
    END;
    wanted record;
    fires_always boolean;
BEGIN
    FOR wanted IN
        SELECT target AS relation, '00_forwarder_capture' AS name, 'INSERT OR UPDATE OR DELETE' AS events, 'ROW' AS level
        UNION ALL
        SELECT class.oid::regclass, '00_forwarder_truncate', 'TRUNCATE', 'STATEMENT'
        FROM pg_class AS class
        WHERE class.oid = target
           OR class.relkind = 'r' AND class.oid IN (SELECT tree.relid FROM pg_partition_tree(target) AS tree)
    LOOP
        SELECT tgenabled = 'A' INTO fires_always
        FROM pg_trigger WHERE tgrelid = wanted.relation AND tgname = wanted.name;
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER %I AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION forwarder.capture(%s)',
            wanted.name, wanted.events, wanted.relation, wanted.level,
            (
                SELECT string_agg(quote_literal(listed.argument), ', ' ORDER BY listed.place)
                FROM unnest(arguments) WITH ORDINALITY AS listed (argument, place)
            ));
        -- Replacing resets what somebody chose so that changes applied by replication are captured too.
        IF fires_always THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', wanted.relation, wanted.name);
        END IF;
    END LOOP;
    RETURN captured_id;
END
$$;

-- Whoever owns forwarder.capture() needs what it calls from the moment on that this is committed, also if somebody else runs the migration:
-- nothing is to be left to PUBLIC.
DO $$
DECLARE
    called regprocedure;
BEGIN
    FOR called IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::regnamespace AND proname = ANY (
            '{free_key,is_noted,key_of,keys_if_moved,max_image_bytes,note,put_behind,state_seed,version}')
    LOOP
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION %s TO %s', called,
            (SELECT proowner::regrole FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::regproc));
    END LOOP;
END
$$;
