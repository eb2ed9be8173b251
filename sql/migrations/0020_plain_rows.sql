-- The price of the trigger: what few rows need is paid by few rows.
--
-- forwarder.capture() writes down plain rows, which most are, and leaves every other one to forwarder.capture_with_care(), which does what
-- capture() did before, with eight settings of its own, and costs a fifth to a third more. A row is plain if
--   * no column has a type that may run somebody's code on its way to JSON;
--   * none is written in a way that depends on how the session is set up, unless that is as it should be;
--   * the order of versions, or a changed key, asks no more of it (0010_versions.sql).
-- The first two depend on the columns, which the owner of a table may change at any time, and to look them up for each row would cost more
-- than the care does. So PostgreSQL looks them up when it plans, once in a session, and again after each change of the table:
--   * In a trigger function the plan of an expression with NEW belongs to one trigger, hence to one table, and NEW has the type of its rows
--     there. CASE WHEN false THEN NEW END is planned as a null of that type, a constant.
--   * An IMMUTABLE function of constants is called by the planner, and its result is a constant of the plan.
--   * A plan with a constant of type oid is made anew once the relation of that oid was changed. The statement that writes has a lock on the
--     table, so that happens before its rows come here.

-- The table whose rows have the type that a value has; null if there is none.
CREATE FUNCTION forwarder.table_of(row_value anyelement) RETURNS oid
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- By its name: a snapshot that is older than the table does not see it in the catalog.
    RETURN pg_typeof(row_value)::text::regclass;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- What has to be seen to so that rows of a type are written as JSON as they should be; null if that is left to forwarder.capture_with_care().
-- A sum of 1 (the time zone), 2 (extra_float_digits), 4 (bytea_output), 8 (intervalstyle), see forwarder.is_plain(), and 16 (nothing may be
-- written meanwhile).
--   * The columns are those that the rows have now, as the binary form of a row names them; what a snapshot sees of the catalog may be older.
--     That form begins with their number; for each there follow its type and a length, which is -1 for a null.
--   * PostgreSQL looks for a cast to json where a type has a number from 16384 on. A domain is written as what it is based on. An enum that
--     has a cast needs care; it may be given one later, which runs with the settings of such sessions that have planned before, and can
--     write nothing.
--   * To make a row of nulls runs the checks of its domains, so nothing can be written here, either.
CREATE FUNCTION forwarder.needs_of(row_value anyelement) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    form bytea;
    type oid;
    is_enum boolean;
    needs integer := 0;
    is_read_only text;
BEGIN
    is_read_only := set_config('transaction_read_only', 'on', true);
    form := record_send(json_populate_record(row_value, '{}'));
    FOR place IN 5..length(form) BY 8 LOOP
        type := ('x' || encode(substr(form, place, 4), 'hex'))::bit(32)::bigint::oid;
        is_enum := false;
        WHILE type >= 16384 AND NOT is_enum LOOP
            SELECT CASE typtype WHEN 'd' THEN typbasetype WHEN 'e' THEN type END, typtype = 'e' INTO type, is_enum
            FROM pg_type
            WHERE pg_type.oid = type
              AND NOT EXISTS (SELECT FROM pg_cast WHERE castsource = pg_type.oid AND casttarget = 'json'::regtype);
        END LOOP;
        needs := needs | CASE
            WHEN is_enum THEN 16
            WHEN type = ANY (
                '{bool,int2,int4,int8,oid,xid,xid8,numeric,text,varchar,bpchar,name,"\"char\"",uuid,json,jsonb,date,time,timetz,timestamp,
                  bit,varbit,inet,cidr,macaddr,macaddr8,tsvector,
                  bool[],int2[],int4[],int8[],numeric[],text[],varchar[],bpchar[],uuid[],json[],jsonb[],date[],timestamp[]}'::regtype[]) THEN 0
            WHEN type = ANY ('{timestamptz,timestamptz[]}'::regtype[]) THEN 1
            WHEN type = ANY ('{float4,float8,float4[],float8[]}'::regtype[]) THEN 2
            WHEN type = ANY ('{bytea,bytea[]}'::regtype[]) THEN 4
            WHEN type = ANY ('{interval,interval[]}'::regtype[]) THEN 8
        END;
        EXIT WHEN needs IS NULL;
    END LOOP;
    RETURN needs;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- Whether rows of a table are plain in a session that is set up like this one, as far as their types go. The functions from here on are called
-- by forwarder.capture(), with its path.
--   * CASE, since the oid of the table has to stay in the plan.
CREATE FUNCTION forwarder.is_plain(relation oid, table_of_plan oid, needs integer) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN $2 = $1 THEN
            $3 IS NOT NULL
            AND ($3 & 2 = 0 OR current_setting('extra_float_digits')::integer > 0)
            AND ($3 & 4 = 0 OR current_setting('bytea_output') = 'hex')
            AND ($3 & 8 = 0 OR current_setting('intervalstyle') = 'postgres')
        ELSE false
    END
$$;

-- Whether times are written as they should be in a session that is set up like this one.
CREATE FUNCTION forwarder.is_utc() RETURNS boolean
LANGUAGE sql STABLE
AS $$SELECT current_setting('timezone') = ANY ('{UTC,Etc/UTC,GMT,Etc/GMT}'::text[])$$;

-- Whether something has to be set for a moment while plain rows are written as JSON.
CREATE FUNCTION forwarder.needs_setting(needs integer) RETURNS boolean
LANGUAGE sql STABLE
AS $$SELECT $1 & 16 <> 0 OR $1 & 1 <> 0 AND NOT forwarder.is_utc()$$;

-- What forwarder.capture() of 0017_read_only.sql did, and what is said there and in 0010_versions.sql holds. What a trigger function knows comes as
-- arguments: its own (TG_ARGV, which counts from 0), the rows and, since a row that is handed on has no system columns, what they say:
-- where the versions are (ctid), whether this transaction has made the old one (xmin), and whether the new one may have been replaced (xmax).
CREATE FUNCTION forwarder.capture_with_care(
    operation text,
    relation oid,
    arguments text[],
    old_row record,
    new_row record,
    old_place tid,
    new_place tid,
    old_is_ours boolean,
    new_is_replaced boolean
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
SET lc_monetary = 'C'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET intervalstyle = 'postgres'
SET quote_all_identifiers = off
AS $$
DECLARE
    old_image text;
    new_image text;
    conversion_error text;
    is_usual boolean;
    is_read_only text;
BEGIN
    BEGIN
        -- For as long as this block lasts, since it is a transaction of its own within the writer's. An assignment costs a quarter of a PERFORM.
        is_read_only := set_config('transaction_read_only', 'on', true);
        IF operation = 'UPDATE' THEN
            new_image := CASE WHEN pg_column_size(new_row) <= forwarder.max_image_bytes() THEN row_to_json(new_row)::text END;
            old_image := CASE WHEN pg_column_size(old_row) <= forwarder.max_image_bytes() THEN row_to_json(old_row)::text END;
            is_usual := NOT old_is_ours
                AND (NOT new_is_replaced OR NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]))
                AND octet_length(new_image) + octet_length(old_image) <= forwarder.max_image_bytes()
                AND (
                    cardinality(arguments) = 2
                    OR starts_with(new_image, arguments[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1)
                );
            IF is_usual AND arguments[1] <> 'full' THEN
                old_image := NULL;
            END IF;
        ELSIF operation = 'INSERT' THEN
            new_image := CASE WHEN pg_column_size(new_row) <= forwarder.max_image_bytes() THEN row_to_json(new_row)::text END;
            is_usual := pg_trigger_depth() = 1 AND NOT forwarder.is_noted('forwarder.versions_replaced_in', arguments[0])
                AND octet_length(new_image) <= forwarder.max_image_bytes();
        ELSIF operation = 'DELETE' THEN
            old_image := CASE WHEN pg_column_size(old_row) <= forwarder.max_image_bytes() THEN row_to_json(old_row)::text END;
            is_usual := NOT old_is_ours AND octet_length(old_image) <= forwarder.max_image_bytes()
                AND NOT forwarder.is_noted('forwarder.keys_taken_in', arguments[0]);
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
        VALUES (arguments[0]::integer, capture_with_care.relation, operation::"char", old_image, new_image);
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
                OR old_image IS NULL AND operation <> 'INSERT' OR new_image IS NULL AND operation <> 'DELETE'
            ) THEN
                old_image := NULL;
                new_image := NULL;
                conversion_error := '54000';
            END IF;
            IF operation = 'UPDATE' THEN
                SELECT moved.old_key, moved.new_key INTO old_key, new_key
                FROM forwarder.keys_if_moved(arguments, old_image, new_image) AS moved;
                IF old_key IS NULL AND arguments[1] <> 'full' THEN
                    old_image := NULL;
                END IF;
            END IF;

            IF operation <> 'INSERT' THEN
                old_version := forwarder.version(relation, old_place);
            END IF;
            IF operation <> 'DELETE' THEN
                new_version := forwarder.version(relation, new_place);
            END IF;
            IF operation = 'DELETE' OR old_key IS NOT NULL THEN
                freed_key := forwarder.free_key(arguments, old_image);
            END IF;
            IF (operation = 'INSERT' OR old_key IS NOT NULL)
                AND (pg_trigger_depth() > 1 OR forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]))
            THEN
                taken_key := forwarder.free_key(arguments, new_image);
                PERFORM forwarder.note('forwarder.keys_taken_in', arguments[0]);
            END IF;
            IF operation <> 'INSERT' THEN
                IF old_is_ours THEN
                    PERFORM forwarder.note('forwarder.versions_replaced_in', arguments[0]);
                END IF;
            END IF;

            -- The transaction has its id by now, which has to come before (see 0001_outbox.sql).
            first_seq := nextval('forwarder.outbox_seq');
            IF old_key IS NULL THEN
                INSERT INTO forwarder.outbox (seq, table_id, relation, op, before, after, fault, replaces, makes)
                VALUES (
                    first_seq, arguments[0]::integer, capture_with_care.relation, operation::"char", old_image, new_image, conversion_error,
                    coalesce(old_version, taken_key), coalesce(new_version, freed_key));
            ELSE
                INSERT INTO forwarder.outbox (seq, table_id, relation, op, before, after, replaces, makes)
                VALUES (first_seq, arguments[0]::integer, capture_with_care.relation, 'D', old_image, new_key, old_version, freed_key);
                INSERT INTO forwarder.outbox (table_id, relation, op, before, after, replaces, makes)
                VALUES (arguments[0]::integer, capture_with_care.relation, 'I', old_key, new_image, taken_key, new_version);
            END IF;

            IF operation <> 'DELETE' THEN
                IF new_is_replaced AND forwarder.is_noted('forwarder.versions_replaced_in', arguments[0]) THEN
                    PERFORM forwarder.put_behind(first_seq, new_version);
                END IF;
            END IF;
            IF freed_key IS NOT NULL AND forwarder.is_noted('forwarder.keys_taken_in', arguments[0]) THEN
                PERFORM forwarder.put_behind(first_seq, old_version, freed_key, old_is_ours);
            END IF;
        END;
    END IF;

    RETURN true;
END
$$;

-- The trigger function of 0017_read_only.sql for plain rows, and what is said there and in 0010_versions.sql holds.
CREATE OR REPLACE FUNCTION forwarder.capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old_image text;
    new_image text;
    is_plain boolean;
    zone text;
    is_set text;
BEGIN
    -- The condition is a constant in the plan, as long as nothing is paused.
    IF forwarder.paused_tables() <> '{}' THEN
        IF TG_ARGV[0]::integer = ANY (forwarder.paused_tables()) THEN
            RETURN NULL;
        END IF;
    END IF;

    -- A version that the same transaction has replaced has an xmax, and one that it has made has an xmin that is not older than its own id.
    IF TG_OP = 'UPDATE' THEN
        is_plain := forwarder.is_plain(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
            AND age(OLD.xmin) > 0
            AND (NEW.xmax = 0 OR NOT forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0]));
    ELSIF TG_OP = 'INSERT' THEN
        is_plain := forwarder.is_plain(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
            AND pg_trigger_depth() = 1
            AND NOT forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0]);
    ELSIF TG_OP = 'DELETE' THEN
        is_plain := forwarder.is_plain(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
            AND age(OLD.xmin) > 0
            AND NOT forwarder.is_noted('forwarder.keys_taken_in', TG_ARGV[0]);
    ELSIF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = TG_RELID AND tgname = '00_forwarder_capture') THEN
        -- A table that was a partition: when it was detached it lost the trigger that it had of its parent, and kept its own, this one.
        RETURN NULL;
    END IF;

    IF is_plain THEN
        -- A transaction of its own within the writer's: it ends with what fails in it.
        BEGIN
            IF forwarder.needs_setting(forwarder.needs_of(CASE WHEN false THEN NEW END)) THEN
                IF forwarder.needs_of(CASE WHEN false THEN NEW END) & 16 <> 0 THEN
                    is_set := set_config('transaction_read_only', 'on', true);
                END IF;
                IF NOT forwarder.is_utc() THEN
                    zone := current_setting('timezone');
                    is_set := set_config('timezone', 'UTC', true);
                END IF;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                new_image := CASE WHEN pg_column_size(NEW) <= forwarder.max_image_bytes() THEN row_to_json(NEW)::text END;
            END IF;
            IF TG_OP <> 'INSERT' THEN
                old_image := CASE WHEN pg_column_size(OLD) <= forwarder.max_image_bytes() THEN row_to_json(OLD)::text END;
            END IF;
            IF zone <> '' THEN
                -- Unlike the other, this setting would outlast the block.
                is_set := set_config('timezone', zone, true);
            END IF;
            IF TG_OP = 'UPDATE' THEN
                is_plain := octet_length(new_image) + octet_length(old_image) <= forwarder.max_image_bytes()
                    AND (
                        TG_NARGS = 2
                        OR starts_with(new_image, TG_ARGV[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1)
                    );
                IF TG_ARGV[1] <> 'full' THEN
                    old_image := NULL;
                END IF;
            ELSE
                is_plain := octet_length(coalesce(new_image, old_image)) <= forwarder.max_image_bytes();
            END IF;
        EXCEPTION WHEN OTHERS THEN
            is_plain := false;
        END;
    END IF;

    IF is_plain OR TG_OP = 'TRUNCATE' THEN
        -- The cast to "char" keeps the first letter: I, U, D or T.
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after)
        VALUES (TG_ARGV[0]::integer, TG_RELID, TG_OP::"char", old_image, new_image);
    ELSE
        is_plain := forwarder.capture_with_care(
            TG_OP, TG_RELID, TG_ARGV, OLD, NEW, OLD.ctid, NEW.ctid, age(OLD.xmin) <= 0, NEW.xmax <> 0);
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

-- Whoever owns forwarder.capture() needs what it calls from the moment on that this is committed; nothing is to be left to PUBLIC.
DO $$
DECLARE
    called regprocedure;
BEGIN
    FOR called IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace
          AND proname IN ('capture_with_care', 'is_plain', 'is_utc', 'needs_of', 'needs_setting', 'table_of')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', called);
        EXECUTE pg_catalog.format(
            'GRANT EXECUTE ON FUNCTION %s TO %s', called,
            (SELECT proowner::pg_catalog.regrole FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc));
    END LOOP;
END
$$;
