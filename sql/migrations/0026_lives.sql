-- The order of versions, told from what the transaction has noted of its changes, and no longer by looking into the outbox; and the order of
-- the rows that have one key after the other. This replaces "Late changes" of 0010_versions.sql.
--
-- Triggers fire when their statement ends. What an inner statement does, which a trigger of the application or a function runs, is captured
-- before what the outer one did until then. So a change is late if changes that come after it are in the outbox already.
--
--   * All of these were executed, and captured, while the statement of the late change was running, within one message of the client. So each
--     change that others may have to go before is noted until that message ends, in settings that are the transaction's own: a savepoint that is
--     rolled back takes its notes along, like its changes.
--   * What a statement of the client itself does was before nothing that is captured already. So where it changes versions of its own transaction, that
--     is noted only if something else in this transaction is.
--   * Each change leads from one state of a row to another: from a version to the one that replaced it, from the free key to the row that takes it,
--     and from the last version of a row to the free key. A state is a hash. What comes after a late change in the life of its row is found
--     step by step.
--   * A key may have many lives in one transaction. Which of two came first is not to be seen from the order in which they were captured, nor
--     from their versions, as long as a change between is not captured yet. But each ends with a delete of its own, and PostgreSQL writes
--     into a deleted version by which command (cmax) that was. If the transaction has made that version itself, then the number stands for two
--     commands, of which the later one is in no other version that an earlier statement has replaced; such numbers rise. A statement
--     deletes only rows that were there when it began, hence whatever ends a later life of the key has a higher number.
--   * A life whose end is not noted may be going on, and comes last; or a change of it has yet to be captured. That one will be late, will
--     lead on to whatever is to come after this life, and put it there. Until then it does not matter where that is.
--
-- Nothing of this reads an index or a leaf of the outbox that others write to. So SERIALIZABLE transactions do not meet there, a leaf can be
-- emptied meanwhile, and it does not matter how much is in the outbox.

-- Whether a transaction that seems to be no older than this one is a part of it: one of its subtransactions.
--   * A row that was frozen keeps the number that its maker had, of 32 bits, which go round: it may stand for an id that nobody has been given
--     yet, and to ask for that is an error.
CREATE FUNCTION forwarder.is_part_of_this(maker xid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    -- How far it is from our own makes a number of 32 bits one of 64.
    RETURN pg_xact_status((
        pg_current_xact_id()::text::bigint - 2147483648
        + (maker::text::bigint - pg_current_xact_id()::text::bigint % 4294967296 + 6442450944) % 4294967296
    )::text::xid8) = 'in progress';
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END
$$;

-- By which command this transaction has replaced a version, as a number that rises; null if it has not made that version itself.
--   * A version of another transaction that began later has a higher number too. But that one has ended.
--   * What age() counts from is the id that was the next when the transaction called it first, which may have become that of another one.
CREATE FUNCTION forwarder.replaced_by(maker xid, command cid) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
    SELECT CASE
        WHEN $1 = pg_current_xact_id()::xid THEN $2::text::bigint
        WHEN age($1) < 0 AND forwarder.is_part_of_this($1) THEN $2::text::bigint
    END
$$;

-- The functions from here to forwarder.write_in_order() are called by it alone, with its path and rights.

-- How the notes of this message of the client begin.
CREATE FUNCTION forwarder.message() RETURNS text
LANGUAGE sql STABLE
AS $$SELECT extract(epoch FROM statement_timestamp()) || E'\n'$$;

-- Where changes are noted that replace states with the same last bits: what is noted last, and all that was noted before. A note is written into the
-- first, which is a text that is short and soon copied; when it is full it goes to the other. More settings would make each of these
-- shorter. But whenever a block or a function ends that has settings of its own, PostgreSQL looks at all that the transaction has set.
CREATE FUNCTION forwarder.notes_names(state bigint) RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$SELECT ARRAY['forwarder.changes_' || ($1 & 31), 'forwarder.older_changes_' || ($1 & 31)]$$;

-- What a setting has of this message: lines, the newest first. A line has the state that was replaced, and what forwarder.noted_change() reads. A function
-- that counts the characters of it would take many times as long.
CREATE FUNCTION forwarder.noted_in(name text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    message text := forwarder.message();
    notes text := current_setting(name, true);
BEGIN
    RETURN CASE WHEN starts_with(notes, message) THEN right(notes, -length(message)) ELSE '' END;
END
$$;

-- Notes a change, where others will be sought that replace the same state.
CREATE FUNCTION forwarder.note_change(
    replaces bigint, seq bigint, op "char", makes bigint, command bigint, leaf oid, place tid
) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    names text[] := forwarder.notes_names(replaces);
    notes text := concat(replaces, ' ', seq, ' ', op, ' ', makes, ' ', command, ' ', leaf, ' ', place, E'\n', forwarder.noted_in(names[1]));
    is_set text;
BEGIN
    IF octet_length(notes) > 4096 THEN
        is_set := set_config(names[2], concat(forwarder.message(), notes, forwarder.noted_in(names[2])), true);
        notes := '';
    END IF;
    RETURN set_config(names[1], forwarder.message() || notes, true);
END
$$;

-- The newest change below a seq that has replaced a state; `line` is what is noted of it.
CREATE FUNCTION forwarder.noted_change(
    state bigint, before_seq bigint, OUT line text, OUT seq bigint, OUT op "char", OUT makes bigint, OUT command bigint
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    names text[] := forwarder.notes_names(state);
    notes text := concat(E'\n', forwarder.noted_in(names[1]), forwarder.noted_in(names[2]));
    members text[];
BEGIN
    FOR number IN 2..2147483647 LOOP
        line := state || ' ' || split_part(split_part(notes, E'\n' || state || ' ', number), E'\n', 1);
        members := string_to_array(line, ' ', '');
        IF members[2] IS NULL THEN
            RETURN;
        ELSIF members[2]::bigint < before_seq THEN
            seq := members[2];
            op := members[3];
            makes := members[4];
            command := members[5];
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- What the states of a table begin with: its file, and its last TRUNCATE in this transaction. The second one leaves it the file that it has from
-- the first, and the places of rows begin anew.
CREATE FUNCTION forwarder.file_seed(relation oid) RETURNS bigint
LANGUAGE sql STABLE
AS $$
    SELECT hashtextextended(coalesce(current_setting('forwarder.truncated_' || $1, true), ''), pg_relation_filenode($1::regclass)::bigint)
$$;

-- The state of a row in one version, as in 0010_versions.sql.
CREATE FUNCTION forwarder.version_state(relation oid, place tid) RETURNS bigint
LANGUAGE sql STABLE
AS $$SELECT hashtidextended($2, forwarder.state_seed(forwarder.file_seed($1)))$$;

-- The key in an image, as forwarder.key_of() has it. That one looks into the registry and parses the image, for most of a millisecond, and cannot if
-- there is a \u0000 anywhere in a json column. Here the members are found behind their labels, and each ends before the next `,"`, or with the image.
-- Where that is not a member (there is no such label, or it is a text that ends with a comma) it is left to that one.
CREATE FUNCTION forwarder.key_in(arguments text[], image text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    -- Types of PostgreSQL's own, whoever calls it first in a session.
    label pg_catalog.text;
    member pg_catalog.text;
    members pg_catalog.text := '';
BEGIN
    IF cardinality(arguments) = 2 THEN
        -- The table has no key.
        RETURN NULL;
    END IF;
    FOREACH label IN ARRAY CASE WHEN starts_with(image, arguments[2]) THEN arguments[2:2] ELSE arguments[3:] END LOOP
        member := rtrim(
            CASE
                WHEN starts_with(image, label) THEN right(split_part(image, ',"', 1), -1)
                ELSE split_part(substr(image, nullif(strpos(image, label), 0) + 1), ',"', 1)
            END,
            '}');
        -- Of this kind (E), a constant means the same whatever the session says of backslashes.
        IF member ~ E'^"(?:[^"\\\\]|\\\\.)*":(?:[-+.0-9eE]+|true|false|null|"(?:[^"\\\\]|\\\\.)*")$' THEN
            members := concat(members, CASE WHEN members <> '' THEN ',' END, member);
        ELSE
            members := '';
            EXIT;
        END IF;
    END LOOP;
    IF members = '' THEN
        RETURN forwarder.key_of(arguments[0]::integer, image);
    END IF;
    RETURN concat('{', members, '}');
END
$$;

-- As in 0010_versions.sql. But the keys are found behind their labels, where they can be; and the type of a variable is PostgreSQL's own whoever
-- calls it first in a session: as long as forwarder.images() has no
-- role of its own, a cast may, with a path in which `text` is a type of somebody else, with a check that would run at each assignment afterwards.
CREATE OR REPLACE FUNCTION forwarder.keys_if_moved(arguments text[], old_image text, new_image text, OUT old_key text, OUT new_key text)
LANGUAGE plpgsql
AS $$
DECLARE
    label pg_catalog.text;
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
    old_key := forwarder.key_in(arguments, old_image);
    new_key := forwarder.key_in(arguments, new_image);
    -- As jsonb, 1.0 and 1.00 are one key. A key that cannot be told counts as unchanged.
    IF (old_key::jsonb <> new_key::jsonb) IS NOT TRUE THEN
        old_key := NULL;
        new_key := NULL;
    END IF;
END
$$;

-- The state in which nobody has the key of a row. As jsonb, 1.0 and 1.00 are one key. What was there before a TRUNCATE is not taken for what comes
-- after it.
CREATE FUNCTION forwarder.key_state(relation oid, arguments text[], image text) RETURNS bigint
LANGUAGE sql STABLE
AS $$SELECT jsonb_hash_extended(forwarder.key_in($2, $3)::jsonb, forwarder.state_seed(forwarder.file_seed($1)))$$;

-- What is noted of the changes that lead on from a version to the end of its row, or to the last version so far.
CREATE FUNCTION forwarder.rest_of_life(version bigint, OUT lines text[], OUT freed_key bigint, OUT command bigint)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    next record := forwarder.noted_change(version, 9223372036854775807);
BEGIN
    lines := '{}';
    WHILE next.seq IS NOT NULL LOOP
        lines := lines || next.line;
        IF next.op = 'D' THEN
            freed_key := next.makes;
            command := next.command;
            RETURN;
        END IF;
        next := forwarder.noted_change(next.makes, 9223372036854775807);
    END LOOP;
END
$$;

-- What is noted of the lives of a key after one that was ended by a command (null: in a version of another transaction, hence the first),
-- from the last one back to one that ended earlier, or is that one itself. What was captured later than `late_seq` is no matter here.
CREATE FUNCTION forwarder.later_lives(freed_key bigint, command bigint, late_seq bigint) RETURNS text[]
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    lines text[] := '{}';
    first record := forwarder.noted_change(freed_key, late_seq);
    rest record;
BEGIN
    WHILE first.seq IS NOT NULL LOOP
        rest := forwarder.rest_of_life(first.makes);
        EXIT WHEN rest.command <= later_lives.command;
        lines := first.line || rest.lines || lines;
        first := forwarder.noted_change(freed_key, first.seq);
    END LOOP;
    RETURN lines;
END
$$;

-- Writes a change of this transaction again with a new seq. It stays noted unless it `is_settled`. Nothing but what this transaction has written
-- in the outbox is moved, whatever is noted.
CREATE FUNCTION forwarder.move_to_end(line text, is_settled boolean) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    members text[] := string_to_array(line, ' ', '');
    state bigint := members[1];
    name text;
    seq bigint;
    leaf oid;
    place tid;
BEGIN
    FOREACH name IN ARRAY forwarder.notes_names(state) LOOP
        IF strpos(current_setting(name, true), line || E'\n') > 0 THEN
            PERFORM set_config(name, replace(current_setting(name, true), line || E'\n', ''), true);
        END IF;
    END LOOP;
    IF pg_partition_root(members[6]::oid::regclass) IS DISTINCT FROM 'forwarder.outbox'::regclass THEN
        RETURN;
    END IF;
    -- By its place, so that no index is read that others write to.
    EXECUTE format(
        'WITH taken AS (DELETE FROM %s WHERE ctid = $1 AND txid = pg_current_xact_id() RETURNING *)
         INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault)
         SELECT table_id, relation, op, before, after, fault FROM taken
         RETURNING seq, tableoid, ctid', members[6]::oid::regclass)
    INTO seq, leaf, place USING members[7]::tid;
    IF NOT is_settled THEN
        PERFORM forwarder.note_change(state, seq, members[3]::"char", members[4]::bigint, members[5]::bigint, leaf, place);
    END IF;
END
$$;

-- Writes a change that may be late, or may come after one that will be: an update that changes the key as two. A late change puts behind itself
-- what comes after it.
CREATE FUNCTION forwarder.write_in_order(
    operation text,
    relation oid,
    arguments text[],
    old_image text,
    new_image text,
    fault text,
    old_place tid,
    new_place tid,
    old_command bigint,
    new_is_replaced boolean
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id integer := arguments[0];
    old_key text;
    new_key text;
    context text;
    -- States. Only a version that is ours can have been made by a change that is captured later.
    old_version bigint;
    new_version bigint := forwarder.version_state(relation, new_place);
    freed_key bigint;
    taken_key bigint;
    later text[];
    line text;
    rest record;
    moved record;
    -- Of these, what nobody will look for any more.
    settled text[] := '{}';
    written_seq bigint;
    leaf oid;
    place tid;
    is_set text;
BEGIN
    IF operation = 'UPDATE' THEN
        -- Nearly all keys are told to be equal like this; only the others are worth a call.
        IF NOT (starts_with(new_image, arguments[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1)) THEN
            moved := forwarder.keys_if_moved(arguments, old_image, new_image);
            old_key := moved.old_key;
            new_key := moved.new_key;
        END IF;
    END IF;
    IF old_command IS NOT NULL AND NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
        -- If the beginning of a life is noted, so must be its end.
        IF forwarder.is_noted('forwarder.keys_taken_in', arguments[0]) THEN
            PERFORM forwarder.note('forwarder.versions_replaced_in', arguments[0]);
        ELSE
            -- Below forwarder.capture() it has what runs the statement, if that is not the client's own. That one runs in no other, so that no change
            -- will come that was before it.
            GET DIAGNOSTICS context = PG_CONTEXT;
            IF strpos(substr(context, strpos(context, 'forwarder.capture()')), E'\n') > 0 THEN
                PERFORM forwarder.note('forwarder.versions_replaced_in', arguments[0]);
            END IF;
        END IF;
    END IF;
    IF old_command IS NOT NULL AND forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
        old_version := forwarder.version_state(relation, old_place);
    END IF;
    IF operation = 'DELETE' OR old_key IS NOT NULL THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault)
        VALUES (captured_id, write_in_order.relation, 'D', old_image, new_key, write_in_order.fault)
        RETURNING seq, tableoid, ctid INTO written_seq, leaf, place;
        IF old_version IS NOT NULL OR forwarder.is_noted('forwarder.keys_taken_in', arguments[0]) THEN
            freed_key := forwarder.key_state(relation, arguments, old_image);
        END IF;
        IF old_version IS NOT NULL THEN
            is_set := forwarder.note_change(old_version, written_seq, 'D', freed_key, old_command, leaf, place);
        END IF;
        IF forwarder.is_noted('forwarder.keys_taken_in', arguments[0]) THEN
            later := forwarder.later_lives(freed_key, old_command, written_seq);
        END IF;
    END IF;
    IF operation = 'INSERT' OR old_key IS NOT NULL THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault)
        VALUES (captured_id, write_in_order.relation, 'I', old_key, new_image, write_in_order.fault)
        RETURNING seq, tableoid, ctid INTO written_seq, leaf, place;
        IF pg_trigger_depth() > 1 OR forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
            PERFORM forwarder.note('forwarder.keys_taken_in', arguments[0]);
            taken_key := forwarder.key_state(relation, arguments, new_image);
            IF taken_key IS NOT NULL THEN
                is_set := forwarder.note_change(taken_key, written_seq, 'I', new_version, NULL, leaf, place);
            END IF;
        END IF;
    ELSIF operation = 'UPDATE' THEN
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault)
        VALUES (
            captured_id, write_in_order.relation, 'U', CASE WHEN arguments[1] = 'full' THEN old_image END, new_image, write_in_order.fault)
        RETURNING seq, tableoid, ctid INTO written_seq, leaf, place;
        IF old_version IS NOT NULL THEN
            is_set := forwarder.note_change(old_version, written_seq, 'U', new_version, NULL, leaf, place);
        END IF;
    END IF;
    IF operation <> 'DELETE' AND new_is_replaced AND forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
        rest := forwarder.rest_of_life(new_version);
        later := later || rest.lines || forwarder.later_lives(rest.freed_key, rest.command, written_seq);
        -- Each of these follows the one before it, and the first follows a version of another transaction: nothing can come between.
        IF operation = 'UPDATE' AND old_key IS NULL AND old_command IS NULL THEN
            settled := rest.lines;
        END IF;
    END IF;

    IF later <> '{}' THEN
        FOR line IN SELECT listed FROM unnest(later) AS listed ORDER BY split_part(listed, ' ', 2)::bigint LOOP
            PERFORM forwarder.move_to_end(line, line = ANY (settled));
        END LOOP;
    END IF;
END
$$;

-- What forwarder.capture_with_care() of 0020_plain_rows.sql did, and what is said there holds. But the images are made by forwarder.images(),
-- which sees to the settings; rows that are null although there are some were found to be too large; and what is not usual is left to
-- forwarder.write_in_order(). The other stays for statements that are in it while this is committed.
CREATE FUNCTION forwarder.capture_in_order(
    operation text,
    relation oid,
    arguments text[],
    old_row record,
    new_row record,
    old_place tid,
    new_place tid,
    old_command bigint,
    new_is_replaced boolean,
    strange_types oid[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    images text[];
    old_image text;
    new_image text;
    conversion_error text;
    is_usual boolean;
BEGIN
    images := CASE
        WHEN strange_types = '{}' THEN forwarder.images(old_row, new_row, forwarder.max_image_bytes())
        ELSE forwarder.images_unless_strange(strange_types, relation, old_row, new_row)
    END;
    old_image := images[1];
    new_image := images[2];
    conversion_error := images[3];
    images := NULL;
    IF conversion_error IS NULL AND (old_image IS NULL AND operation <> 'INSERT' OR new_image IS NULL AND operation <> 'DELETE') THEN
        conversion_error := '54000';
    END IF;

    IF operation = 'UPDATE' THEN
        is_usual := conversion_error IS NULL AND old_command IS NULL
            AND (NOT new_is_replaced OR NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]))
            AND (
                cardinality(arguments) = 2
                OR starts_with(new_image, arguments[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1)
            );
        IF is_usual AND arguments[1] <> 'full' THEN
            old_image := NULL;
        END IF;
    ELSIF operation = 'INSERT' THEN
        is_usual := conversion_error IS NULL AND pg_trigger_depth() = 1
            AND NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]);
    ELSE
        is_usual := conversion_error IS NULL AND old_command IS NULL AND NOT forwarder.is_noted('forwarder.keys_taken_in', arguments[0]);
    END IF;

    IF is_usual THEN
        -- The cast to "char" keeps the first letter: I, U or D.
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after)
        VALUES (arguments[0]::integer, capture_in_order.relation, operation::"char", old_image, new_image);
    ELSE
        PERFORM forwarder.write_in_order(
            operation, relation, arguments, old_image, new_image, conversion_error, old_place, new_place, old_command, new_is_replaced);
    END IF;

    RETURN true;
END
$$;

-- Whether rows become JSON as they should in UTC, without the care that an enum takes, and are captured: a constant in a plan, but for what
-- depends on the session.
CREATE FUNCTION forwarder.is_plain_as_it_is(relation oid, table_of_plan oid, needs integer) RETURNS boolean
LANGUAGE sql STABLE
AS $$SELECT forwarder.paused_tables() = '{}' AND forwarder.is_plain($1, $2, $3) AND $3 & 16 = 0$$;

-- As forwarder.is_noted(), but a single node of an expression: PL/pgSQL prepares each expression anew in every transaction, with all the
-- functions in it, called or not.
CREATE FUNCTION forwarder.is_among(note text, captured_id integer) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$BEGIN RETURN forwarder.is_noted(note, captured_id::text); END$$;

-- The trigger function of 0020_plain_rows.sql, and what is said there holds. But what is not usual is left to forwarder.capture_in_order(): rows that
-- are not plain, or have an enum; those that may be late, or may come after one that is; a change of the key;
-- images that are too large. The usual path is as short as it can be, since each expression costs, and in a transaction of one row most of all.
--   * Whatever depends on what rows need has the oid of the table in its plan, and is planned anew with it.
--   * The strange types of a table depend on the composite types in its rows, too, whose oids are in that plan as well.
--   * Images that are too large are not made twice.
--   * A TRUNCATE is told whatever the snapshot of its transaction sees of the table's triggers, and begins the places of rows anew.
CREATE OR REPLACE FUNCTION forwarder.capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As the images have it; to look first whether that is needed costs as much. UTC by the name for which no server has to read a file.
SET timezone = 'GMT'
AS $$
DECLARE
    captured_id integer := TG_ARGV[0];
    old_image text;
    new_image text;
    is_large boolean;
    is_written boolean;
    strange_types oid[];
    is_set text;
BEGIN
    -- Ring the listener's doorbell, but only if it sleeps. While it sleeps it holds this advisory lock exclusively, so the
    -- shared request is refused. While it is awake the request is granted and held to the end of the transaction: it tells
    -- the listener that a change is under way which nobody will announce. A transaction that notifies cannot be prepared,
    -- hence forwarder.wake; one that notifies into a full queue fails at commit, hence the look at how full it is.
    IF (forwarder.paused_tables() = '{}' OR captured_id <> ALL (forwarder.paused_tables()))
        AND NOT pg_try_advisory_xact_lock_shared(1719100530, 1)
    THEN
        IF current_setting('forwarder.wake', true) IS DISTINCT FROM 'poll' AND pg_notification_queue_usage() < 0.5 THEN
            PERFORM pg_notify('forwarder', '');
        END IF;
    END IF;

    -- Each row becomes JSON in a transaction of its own within the writer's (EXCEPTION), which ends with what fails in it.
    IF TG_OP = 'UPDATE' THEN
        -- A version that the same transaction has made has an xmin that is not older than its own id, and one that it has replaced has an xmax. So
        -- has one that it has locked, by FOR UPDATE or ON CONFLICT.
        BEGIN
            new_image := CASE
                WHEN forwarder.is_plain_as_it_is(
                    TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
                    AND age(OLD.xmin) > 0
                    AND (NEW.xmax = 0 OR NOT forwarder.is_among('forwarder.versions_replaced_in', captured_id))
                    AND pg_column_size(NEW) <= forwarder.max_image_bytes()
                THEN row_to_json(NEW)::text
            END;
            -- One within the other: of AND, both sides are looked at where the first is null, and to ask how large a row is fetches it.
            old_image := CASE
                WHEN octet_length(new_image) <= forwarder.max_image_bytes()
                THEN CASE WHEN pg_column_size(OLD) <= forwarder.max_image_bytes() THEN row_to_json(OLD)::text END
            END;
        EXCEPTION WHEN OTHERS THEN
            old_image := NULL;
        END;
        -- Nearly all keys are told to be equal like this.
        IF octet_length(new_image) + octet_length(old_image) <= forwarder.max_image_bytes()
            AND (TG_NARGS = 2 OR starts_with(new_image, TG_ARGV[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1))
        THEN
            IF TG_ARGV[1] <> 'full' THEN
                old_image := NULL;
            END IF;
            INSERT INTO forwarder.outbox (table_id, relation, op, before, after) VALUES (captured_id, TG_RELID, 'U', old_image, new_image);
            RETURN NULL;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        BEGIN
            new_image := CASE
                WHEN forwarder.is_plain_as_it_is(
                    TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
                    AND pg_trigger_depth() = 1
                    AND (
                        (current_setting('forwarder.versions_replaced_in', true) <> '') IS NOT TRUE
                        OR NOT forwarder.is_among('forwarder.versions_replaced_in', captured_id))
                    AND pg_column_size(NEW) <= forwarder.max_image_bytes()
                THEN row_to_json(NEW)::text
            END;
        EXCEPTION WHEN OTHERS THEN
            new_image := NULL;
        END;
        IF octet_length(new_image) <= forwarder.max_image_bytes() THEN
            INSERT INTO forwarder.outbox (table_id, relation, op, after) VALUES (captured_id, TG_RELID, 'I', new_image);
            RETURN NULL;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        BEGIN
            old_image := CASE
                WHEN forwarder.is_plain_as_it_is(
                    TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
                    AND age(OLD.xmin) > 0
                    AND (
                        (current_setting('forwarder.keys_taken_in', true) <> '') IS NOT TRUE
                        OR NOT forwarder.is_among('forwarder.keys_taken_in', captured_id))
                    AND pg_column_size(OLD) <= forwarder.max_image_bytes()
                THEN row_to_json(OLD)::text
            END;
        EXCEPTION WHEN OTHERS THEN
            old_image := NULL;
        END;
        IF octet_length(old_image) <= forwarder.max_image_bytes() THEN
            INSERT INTO forwarder.outbox (table_id, relation, op, before) VALUES (captured_id, TG_RELID, 'D', old_image);
            RETURN NULL;
        END IF;
    END IF;

    IF captured_id = ANY (forwarder.paused_tables()) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        is_set := set_config('forwarder.truncated_' || TG_RELID, clock_timestamp()::text, true);
        IF EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = TG_RELID AND tgname = '00_forwarder_truncate' AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = TG_ARGV[0]
        ) AND NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgfoid = 'forwarder.capture'::regproc AND tgtype & 1 = 1 AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = TG_ARGV[0]
              AND (tgrelid = TG_RELID AND tgparentid = 0 OR tgrelid IN (SELECT relid FROM pg_partition_ancestors(TG_RELID)))
        ) THEN
            -- A table that was a partition: when it was detached it lost the trigger that it had of its parent, and kept its own, this one. What a
            -- snapshot sees of triggers may be older. So one that does not see this one knows nothing; and what a table had of its parent counts as
            -- long as it is a partition now, which is read from the latest state.
            RETURN NULL;
        END IF;
        INSERT INTO forwarder.outbox (table_id, relation, op) VALUES (captured_id, TG_RELID, 'T');
        RETURN NULL;
    END IF;

    -- Of a usual row alone: to ask how large a row is fetches what is out of line. Of the others forwarder.images() sees to that.
    BEGIN
        is_large := CASE
            WHEN forwarder.is_plain_as_it_is(
                    TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
                AND (TG_OP = 'INSERT' AND pg_trigger_depth() = 1 OR TG_OP <> 'INSERT' AND age(OLD.xmin) > 0)
            THEN
                pg_column_size(NEW) > forwarder.max_image_bytes() OR octet_length(new_image) > forwarder.max_image_bytes()
                OR pg_column_size(OLD) > forwarder.max_image_bytes() OR octet_length(old_image) > forwarder.max_image_bytes()
                OR octet_length(new_image) + octet_length(old_image) > forwarder.max_image_bytes()
        END;
    EXCEPTION WHEN OTHERS THEN
        is_large := false;
    END;
    old_image := NULL;
    new_image := NULL;
    IF is_large THEN
        is_written := forwarder.capture_in_order(
            TG_OP, TG_RELID, TG_ARGV, NULL, NULL, OLD.ctid, NEW.ctid, forwarder.replaced_by(OLD.xmin, OLD.cmax), NEW.xmax <> 0, '{}');
        RETURN NULL;
    END IF;
    -- Each of these has a plan of its own, with what could be told when it was made: a snapshot that was too old for that is not to make every
    -- later row look again.
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        strange_types := coalesce(
            forwarder.strange_types(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.parts_of(CASE WHEN false THEN NEW END)),
            (forwarder.parts_of(NEW))[9:],
            '{0}');
    ELSE
        strange_types := coalesce(
            forwarder.strange_types(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.parts_of(CASE WHEN false THEN NEW END)),
            (forwarder.parts_of(NEW))[9:],
            '{0}');
    END IF;
    is_written := forwarder.capture_in_order(
        TG_OP, TG_RELID, TG_ARGV, OLD, NEW, OLD.ctid, NEW.ctid, forwarder.replaced_by(OLD.xmin, OLD.cmax), NEW.xmax <> 0, strange_types);
    RETURN NULL;
END
$$;

-- Whoever owns forwarder.capture() needs what it calls from the moment on that this is committed; nothing is to be left to PUBLIC.
DO $$
DECLARE
    called regprocedure;
BEGIN
    FOR called IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace
          AND proname IN (
              'capture_in_order', 'has_newer_cast', 'has_strange_cast', 'images_unless_strange', 'is_among', 'is_part_of_this', 'is_plain_as_it_is',
              'is_trusted', 'key_in', 'parts_of',
              'parts_within', 'replaced_by', 'strange_types', 'write_in_order')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called);
        EXECUTE pg_catalog.format(
            'GRANT EXECUTE ON FUNCTION %s TO %s', called,
            (SELECT proowner::pg_catalog.regrole FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc));
    END LOOP;
END
$$;
