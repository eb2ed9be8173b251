-- What belongs to others is kept apart from what writes the outbox.
--
-- Turning a row into JSON runs the casts to json of its columns' types, which their owners may define and replace at any time. That nothing can be
-- written meanwhile is not enough to keep them harmless: they may set a search_path, so that what comes after them calls other functions
-- than ours, or leave work for the end of the transaction (a deferred trigger on a temporary table). So
--   * foreign code runs in forwarder.images() and nowhere else, which can be given to a role that may do nothing at all;
--   * what it has done there is rolled back, whatever it was. Only the images are kept.

-- The images of rows that may run somebody's code on their way to JSON, and the code of what went wrong: old, new, fault. A row that is null has
-- none. Images that have more than `max_bytes` together are left out, with fault 54000.
--   * The block is a transaction of its own within the writer's, and always fails. What was set in it ends with it: a search_path, the time zone,
--     a setting of the session. So do rows of temporary tables, and the triggers that would have come of them. Variables keep their values.
--   * So no image depends on how a session is set up, and what has to be set for that needs no setting of a function. Hardly any session needs it.
--   * Meanwhile nothing can be written, so that no sequence is drawn from, either.
--   * Names within the block have their schema: a cast of the new row may have set a path before the old row is looked at.
CREATE FUNCTION forwarder.images(old_row record, new_row record, max_bytes bigint) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old_image text;
    new_image text;
    is_set text;
BEGIN
    BEGIN
        -- An assignment costs a quarter of a PERFORM.
        is_set := set_config('transaction_read_only', 'on', true);
        IF current_setting('timezone') <> ALL ('{UTC,Etc/UTC,GMT,Etc/GMT}'::text[])
            OR NOT starts_with(current_setting('datestyle'), 'ISO')
            OR current_setting('bytea_output') <> 'hex'
            OR current_setting('extra_float_digits')::integer < 1
            OR current_setting('intervalstyle') <> 'postgres'
            OR current_setting('quote_all_identifiers')::boolean
            OR current_setting('exit_on_error')::boolean
        THEN
            is_set := set_config('timezone', 'UTC', true);
            is_set := set_config('datestyle', 'ISO, YMD', true);
            is_set := set_config('bytea_output', 'hex', true);
            is_set := set_config('extra_float_digits', '1', true);
            is_set := set_config('intervalstyle', 'postgres', true);
            is_set := set_config('quote_all_identifiers', 'off', true);
            is_set := set_config('exit_on_error', 'off', true);
        END IF;
        IF current_setting('lc_monetary') <> 'C' THEN
            is_set := set_config('lc_monetary', 'C', true);
        END IF;
        new_image := CASE
            WHEN pg_catalog.pg_column_size(new_row) OPERATOR(pg_catalog.<=) max_bytes THEN pg_catalog.row_to_json(new_row)::pg_catalog.text
        END;
        old_image := CASE
            WHEN pg_catalog.pg_column_size(new_row) OPERATOR(pg_catalog.>) max_bytes
                OR pg_catalog.octet_length(new_image) OPERATOR(pg_catalog.>) max_bytes
            THEN NULL
            WHEN pg_catalog.pg_column_size(old_row) OPERATOR(pg_catalog.<=) max_bytes
            THEN pg_catalog.row_to_json(old_row)::pg_catalog.text
        END;
        RAISE SQLSTATE 'RB000';
    EXCEPTION
        WHEN SQLSTATE 'RB000' THEN
            -- Rolled back. A cast that says so, too, has no image either.
            NULL;
        -- What an ASSERT says is no error for OTHERS.
        WHEN OTHERS OR ASSERT_FAILURE THEN
            -- PostgreSQL has no code of its own for a value above 1 GB.
            RETURN ARRAY[NULL, NULL, CASE WHEN SQLERRM LIKE 'invalid memory alloc request size %' THEN '54000' ELSE SQLSTATE END];
    END;
    RETURN CASE
        WHEN new_image IS NULL AND pg_column_size(new_row) IS NOT NULL
            OR old_image IS NULL AND pg_column_size(old_row) IS NOT NULL
            OR coalesce(octet_length(new_image), 0) + coalesce(octet_length(old_image), 0) > max_bytes
        THEN ARRAY[NULL, NULL, '54000']
        ELSE ARRAY[old_image, new_image, NULL]
    END;
END
$$;

-- As in 0020_plain_rows.sql, and what is said there holds. But
--   * no code of others runs: the columns are read from a row that no check has seen, since no value of it has been made;
--   * 16 stands for an enum, whose images forwarder.images() makes, since it may be given a cast at any time;
--   * a domain is what it is based on, whatever it refuses.
CREATE OR REPLACE FUNCTION forwarder.needs_of(row_value anyelement) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    form bytea;
    type oid;
    is_enum boolean;
    needs integer := 0;
BEGIN
    -- Parsed anew each time: the columns are those of this moment.
    EXECUTE 'SELECT record_send(columns) FROM (SELECT ($1).*) AS columns' INTO form USING row_value;
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

-- As in 0010_versions.sql. But the type of a variable is PostgreSQL's own whoever calls it first in a session: as long as forwarder.images() has no
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
    old_key := forwarder.key_of(arguments[0]::integer, old_image);
    new_key := forwarder.key_of(arguments[0]::integer, new_image);
    -- As jsonb, 1.0 and 1.00 are one key. A key that cannot be told counts as unchanged.
    IF (old_key::jsonb <> new_key::jsonb) IS NOT TRUE THEN
        old_key := NULL;
        new_key := NULL;
    END IF;
END
$$;

-- As in 0020_plain_rows.sql, and what is said there holds. But the images are made by forwarder.images(), which sees to the settings; rows that are
-- null although there are some were found to be too large.
CREATE OR REPLACE FUNCTION forwarder.capture_with_care(
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
AS $$
DECLARE
    images text[];
    old_image text;
    new_image text;
    conversion_error text;
    is_usual boolean;
BEGIN
    images := forwarder.images(old_row, new_row, forwarder.max_image_bytes());
    old_image := images[1];
    new_image := images[2];
    conversion_error := images[3];
    images := NULL;
    IF conversion_error IS NULL AND (old_image IS NULL AND operation <> 'INSERT' OR new_image IS NULL AND operation <> 'DELETE') THEN
        conversion_error := '54000';
    END IF;

    IF operation = 'UPDATE' THEN
        is_usual := conversion_error IS NULL AND NOT old_is_ours
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
        is_usual := conversion_error IS NULL AND NOT old_is_ours AND NOT forwarder.is_noted('forwarder.keys_taken_in', arguments[0]);
    END IF;

    IF is_usual THEN
        -- The cast to "char" keeps the first letter: I, U or D.
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

-- The trigger function of 0020_plain_rows.sql, and what is said there holds. But
--   * rows with an enum have their images made by forwarder.images(), and no row runs code of others here;
--   * whatever depends on what rows need has the oid of the table in its plan, and is planned anew with it, or goes by a variable;
--   * images that are too large are not made twice;
--   * a TRUNCATE is told whatever the snapshot of its transaction sees of the table's triggers.
CREATE OR REPLACE FUNCTION forwarder.capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    images text[];
    old_image text;
    new_image text;
    -- Null if the row is not plain.
    needs integer;
    -- Null if the row is left to forwarder.capture_with_care(), false if its images are too large.
    is_small boolean;
    is_written boolean;
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
        needs := CASE
            WHEN forwarder.is_plain(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
                AND age(OLD.xmin) > 0
                AND (NEW.xmax = 0 OR NOT forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0]))
            THEN forwarder.needs_of(CASE WHEN false THEN NEW END)
        END;
    ELSIF TG_OP = 'INSERT' THEN
        needs := CASE
            WHEN forwarder.is_plain(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
                AND pg_trigger_depth() = 1
                AND NOT forwarder.is_noted('forwarder.versions_replaced_in', TG_ARGV[0])
            THEN forwarder.needs_of(CASE WHEN false THEN NEW END)
        END;
    ELSIF TG_OP = 'DELETE' THEN
        needs := CASE
            WHEN forwarder.is_plain(TG_RELID, forwarder.table_of(CASE WHEN false THEN NEW END), forwarder.needs_of(CASE WHEN false THEN NEW END))
                AND age(OLD.xmin) > 0
                AND NOT forwarder.is_noted('forwarder.keys_taken_in', TG_ARGV[0])
            THEN forwarder.needs_of(CASE WHEN false THEN NEW END)
        END;
    ELSIF EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = TG_RELID AND tgname = '00_forwarder_truncate' AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = TG_ARGV[0]
    ) AND NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgname = '00_forwarder_capture' AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = TG_ARGV[0]
          AND (tgrelid = TG_RELID AND tgparentid = 0 OR tgrelid IN (SELECT relid FROM pg_partition_ancestors(TG_RELID)))
    ) THEN
        -- A table that was a partition: when it was detached it lost the trigger that it had of its parent, and kept its own, this one. What a
        -- snapshot sees of triggers may be older. So one that does not see this one knows nothing; and what a table had of its parent counts as
        -- long as it is a partition now, which is read from the latest state.
        RETURN NULL;
    END IF;

    IF needs & 16 = 0 THEN
        -- A transaction of its own within the writer's: it ends with what fails in it.
        BEGIN
            -- Constants in the plan, both.
            IF (
                CASE
                    WHEN forwarder.table_of(CASE WHEN false THEN NEW END) = TG_RELID
                    THEN forwarder.needs_setting(forwarder.needs_of(CASE WHEN false THEN NEW END))
                END
            ) THEN
                zone := current_setting('timezone');
                is_set := set_config('timezone', 'UTC', true);
            END IF;
            IF TG_OP = 'UPDATE' THEN
                new_image := CASE WHEN pg_column_size(NEW) <= forwarder.max_image_bytes() THEN row_to_json(NEW)::text END;
                old_image := CASE
                    WHEN octet_length(new_image) <= forwarder.max_image_bytes() AND pg_column_size(OLD) <= forwarder.max_image_bytes()
                    THEN row_to_json(OLD)::text
                END;
                is_small := coalesce(octet_length(new_image) + octet_length(old_image) <= forwarder.max_image_bytes(), false);
            ELSIF TG_OP = 'INSERT' THEN
                new_image := CASE WHEN pg_column_size(NEW) <= forwarder.max_image_bytes() THEN row_to_json(NEW)::text END;
                is_small := coalesce(octet_length(new_image) <= forwarder.max_image_bytes(), false);
            ELSE
                old_image := CASE WHEN pg_column_size(OLD) <= forwarder.max_image_bytes() THEN row_to_json(OLD)::text END;
                is_small := coalesce(octet_length(old_image) <= forwarder.max_image_bytes(), false);
            END IF;
            IF zone <> '' THEN
                -- This setting would outlast the block.
                is_set := set_config('timezone', zone, true);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            is_small := NULL;
        END;
    ELSIF needs IS NOT NULL THEN
        images := forwarder.images(OLD, NEW, forwarder.max_image_bytes());
        old_image := images[1];
        new_image := images[2];
        is_small := CASE WHEN images[3] IS NULL THEN true WHEN images[3] = '54000' THEN false END;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        is_small := CASE
            WHEN TG_NARGS = 2 OR starts_with(new_image, TG_ARGV[2]) AND split_part(new_image, ',"', 1) = split_part(old_image, ',"', 1)
            THEN is_small
            -- Too large they are, whatever the key.
            WHEN NOT is_small THEN false
        END;
        IF TG_ARGV[1] <> 'full' THEN
            old_image := NULL;
        END IF;
    END IF;

    IF is_small OR TG_OP = 'TRUNCATE' THEN
        -- The cast to "char" keeps the first letter: I, U, D or T.
        INSERT INTO forwarder.outbox (table_id, relation, op, before, after)
        VALUES (TG_ARGV[0]::integer, TG_RELID, TG_OP::"char", old_image, new_image);
    ELSE
        images := NULL;
        old_image := NULL;
        new_image := NULL;
        IF is_small IS FALSE THEN
            is_written := forwarder.capture_with_care(
                TG_OP, TG_RELID, TG_ARGV, NULL, NULL, OLD.ctid, NEW.ctid, age(OLD.xmin) <= 0, NEW.xmax <> 0);
        ELSE
            is_written := forwarder.capture_with_care(
                TG_OP, TG_RELID, TG_ARGV, OLD, NEW, OLD.ctid, NEW.ctid, age(OLD.xmin) <= 0, NEW.xmax <> 0);
        END IF;
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

-- As in 0011_rights.sql, and what is said there holds. There is a second role, for forwarder.images(), which may do nothing. Where that cannot be
-- made, `forwarder migrate` says what an administrator has to run, and goes on without it.
CREATE OR REPLACE FUNCTION forwarder.make_capture_role(role_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Since PostgreSQL 16 a membership says for itself what it is good for; before, it is good for everything.
    says_what boolean := current_setting('server_version_num')::integer >= 160000;
    owner_name name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'forwarder.migration'::regclass);
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[role_name, role_name || '_images'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                BEGIN
                    EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
                EXCEPTION WHEN duplicate_object OR unique_violation THEN
                    -- By a `forwarder migrate` of another database of this cluster, a moment ago.
                    NULL;
                END;
            END IF;
            IF NOT pg_has_role(owner_name, wanted, 'USAGE')
                OR NOT pg_has_role(owner_name, wanted, CASE WHEN says_what THEN 'SET' ELSE 'MEMBER' END)
            THEN
                EXECUTE format(
                    'GRANT %I TO %I%s', wanted, owner_name, CASE WHEN says_what THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            IF wanted = role_name THEN
                RAISE;
            END IF;
        END;
    END LOOP;
END
$$;

-- As in 0011_rights.sql, and what is said there holds. forwarder.images() goes to the second role, or else to that of forwarder.capture().
CREATE OR REPLACE FUNCTION forwarder.entrust_capture(role_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner_name name := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'forwarder.migration'::regclass);
    previous_role name := (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'forwarder.capture'::regproc);
    -- A role that could do all that the owner can would be none of its own.
    images_role text := coalesce(
        (
            SELECT rolname
            FROM pg_roles
            WHERE rolname = role_name || '_images' AND pg_has_role(owner_name, oid, 'USAGE') AND NOT pg_has_role(oid, owner_name, 'MEMBER')
        ), role_name);
    caller name;
BEGIN
    IF NOT pg_has_role(owner_name, role_name, 'USAGE') THEN
        RAISE 'role % would not inherit the rights of %, and could not replace forwarder.capture(); ALTER ROLE % INHERIT',
            quote_ident(owner_name), quote_ident(role_name), quote_ident(owner_name);
    END IF;
    IF role_name <> previous_role THEN
        EXECUTE format('GRANT CREATE ON SCHEMA forwarder TO %I', role_name);
        EXECUTE format('ALTER FUNCTION forwarder.capture() OWNER TO %I', role_name);
        EXECUTE format('REVOKE CREATE ON SCHEMA forwarder FROM %I', role_name);
    END IF;
    IF images_role <> (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = 'forwarder.images'::regproc) THEN
        EXECUTE format('GRANT CREATE ON SCHEMA forwarder TO %I', images_role);
        EXECUTE format('ALTER FUNCTION forwarder.images(record, record, bigint) OWNER TO %I', images_role);
        EXECUTE format('REVOKE CREATE ON SCHEMA forwarder FROM %I', images_role);
        -- What its owner may do has gone over to the next one.
        FOREACH caller IN ARRAY ARRAY[previous_role, role_name] LOOP
            IF NOT has_function_privilege(caller, 'forwarder.images(record, record, bigint)', 'EXECUTE') THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION forwarder.images(record, record, bigint) TO %I', caller);
            END IF;
        END LOOP;
    END IF;
END
$$;

-- forwarder.images() runs as forwarder.capture() does, until `forwarder migrate` gives it a role of its own: never with more rights than that.
-- Only whoever may create in the schema can be given a function in it, hence CREATE for a moment.
DO $$
DECLARE
    capture_owner name := (
        SELECT pg_catalog.pg_get_userbyid(proowner) FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc);
    routine regprocedure := 'forwarder.images'::pg_catalog.regproc;
    may_create boolean := pg_catalog.has_schema_privilege(capture_owner, 'forwarder', 'CREATE');
BEGIN
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA forwarder TO %I', capture_owner);
    END IF;
    EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO %I', routine, capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA forwarder FROM %I', capture_owner);
    END IF;
END
$$;
