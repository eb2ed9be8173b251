-- What belongs to others is kept apart from what writes the outbox.
--
-- Turning a row into JSON runs the casts to json of its columns' types, which their owners may define and replace at any time. That nothing can be
-- written meanwhile is not enough to keep them harmless: they may set a search_path, so that what comes after them calls other functions
-- than ours, or leave work for the end of the transaction (a deferred trigger on a temporary table). So
--   * foreign code runs in forwarder.images() and nowhere else, which can be given to a role that may do nothing at all;
--   * what it has done there is rolled back, whatever it was. Only the images are kept.
--   * what is no part of a transaction is not: prepared statements, cursors and advisory locks of the writer's session. So only the code of
--     a superuser, or of the table's owner, is run.

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
            is_set := set_config('timezone', 'GMT', true);
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

-- As in 0020_plain_rows.sql. But the name, which only those find who may use the table's schema, is for a snapshot alone that is older than
-- the table.
CREATE OR REPLACE FUNCTION forwarder.table_of(row_value anyelement) RETURNS oid
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN coalesce((SELECT nullif(typrelid, 0) FROM pg_type WHERE oid = pg_typeof(row_value)), pg_typeof(row_value)::text::regclass);
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
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
            -- By itself, since its name in a list takes backslashes, and what these mean depends on how the session is set up.
            WHEN type = '"char"'::regtype OR type = ANY (
                '{bool,int2,int4,int8,oid,xid,xid8,numeric,text,varchar,bpchar,name,uuid,json,jsonb,date,time,timetz,timestamp,
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

-- Whether code that belongs to somebody may run when rows of a table become JSON: a superuser's, and that of the table's owner, who may run
-- whatever they like with the rights of whoever writes there anyway, by a trigger of their own. A snapshot may know an owner who is none any
-- more; what somebody may do is told of this moment, and an owner may always grant that.
CREATE FUNCTION forwarder.is_trusted(role oid, relation oid) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        $1 = (SELECT relowner FROM pg_class WHERE oid = $2) AND has_table_privilege($1, $2, 'TRIGGER WITH GRANT OPTION')
        OR (SELECT rolsuper FROM pg_roles WHERE oid = $1), false)
$$;

-- What somebody may change that values of these types depend on: the relations of eight composite types that are part of them, those of strangers
-- first, and 0 for each that there is not; from the ninth on, the types that somebody may give a cast to json who is not trusted with rows of
-- a table, since it is the owner of a type who can. Null if that cannot be told: a snapshot that is older than a type, or an attribute, does not see it.
--   * The types of arrays, domains and composite values are part of them, each once; but only such as do not come with PostgreSQL.
--   * The catalog is asked, since to look at a value of a composite type would wait for whoever alters it.
--   * VOLATILE, so that a READ COMMITTED transaction asks it as it is in this moment.
--   * Where there are more types than anybody needs (1000), or more than eight composite ones of strangers, 0 is among the types: nothing is
--     known of those that are left.
CREATE FUNCTION forwarder.parts_within(types oid[], relation oid) RETURNS oid[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found oid[];
    count_seen integer;
    composites oid[];
    strange oid[];
BEGIN
    WITH RECURSIVE part (type) AS (
        SELECT whole FROM unnest(types) AS whole WHERE whole >= 16384
        UNION
        SELECT next.type
        FROM part
        JOIN pg_type AS whole ON whole.oid = part.type
        CROSS JOIN LATERAL (
            SELECT typbasetype WHERE typtype = 'd'
            UNION ALL
            SELECT typelem WHERE typsubscript = 'array_subscript_handler'::regproc
            UNION ALL
            SELECT atttypid FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped
        ) AS next (type)
        WHERE next.type >= 16384
    ),
    listed AS MATERIALIZED (
        SELECT type FROM part LIMIT 1000
    )
    SELECT
        array_agg(type),
        count(oid),
        coalesce(array_agg(typrelid ORDER BY is_trusted, oid) FILTER (WHERE typtype = 'c'), '{}') || '{0,0,0,0,0,0,0,0}',
        coalesce(
            array_agg(oid) FILTER (
                WHERE NOT is_trusted AND typtype NOT IN ('c', 'd') AND typsubscript <> 'array_subscript_handler'::regproc), '{}')
        || CASE WHEN count(*) FILTER (WHERE NOT is_trusted AND typtype = 'c') > 8 OR count(*) = 1000 THEN '{0}'::oid[] END
    INTO found, count_seen, composites, strange
    FROM listed
    LEFT JOIN pg_type ON oid = type
    LEFT JOIN LATERAL forwarder.is_trusted(typowner, relation) AS is_trusted ON true;
    -- Whether there is an attribute, has_column_privilege() tells of this moment.
    IF count_seen < cardinality(found) OR current_setting('transaction_isolation') <> 'read committed' AND EXISTS (
        SELECT FROM pg_class, generate_series(relnatts + 1, 1600) AS number
        WHERE oid = ANY (composites[:8]) AND has_column_privilege(oid, number::smallint, 'SELECT') IS NOT NULL
    ) THEN
        RETURN NULL;
    END IF;
    RETURN composites[:8] || strange;
END
$$;

-- The same of the columns of a row: those of this moment, see forwarder.needs_of().
--   * As a constant of a plan, it is made anew when the table has changed, but not when a type has. A type that is given away later counts as
--     before in sessions that have planned already.
--   * A cast from a composite type is never run, but one from the type of an attribute is, and attributes may be added. So the plan needs the
--     relations among its constants, as it needs the table.
CREATE FUNCTION forwarder.parts_of(row_value anyelement) RETURNS oid[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    relation oid := forwarder.table_of(row_value);
    form bytea;
BEGIN
    -- No value is looked at, which might run the code of its type.
    row_value := NULL;
    EXECUTE 'SELECT record_send(columns) FROM (SELECT ($1).*) AS columns' INTO form USING row_value;
    RETURN forwarder.parts_within(
        ARRAY(
            SELECT ('x' || encode(substr(form, place, 4), 'hex'))::bit(32)::bigint::oid FROM generate_series(5, length(form), 8) AS place),
        relation);
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- Of these, the types; null if that cannot be told. As in forwarder.is_plain(), each constant stays in the plan.
CREATE FUNCTION forwarder.strange_types(relation oid, table_of_plan oid, parts oid[]) RETURNS oid[]
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN $2 = $1 AND (
            $3[1] = 0
            OR $3[1] <> $1 AND $3[2] <> $1 AND $3[3] <> $1 AND $3[4] <> $1 AND $3[5] <> $1 AND $3[6] <> $1 AND $3[7] <> $1 AND $3[8] <> $1
        ) THEN $3[9:]
    END
$$;

-- Whether one of these types has a cast to json now that the snapshot of this transaction does not see, or may have.
--   * Which cast there is, is what PostgreSQL itself would find in this moment; and until it is told of changes again, which it is when it locks
--     something, it will find the same. So nothing should be locked between this and what may run the cast.
--   * It finds a type by its name alone, if this function's owner may use its schema.
--   * That there is no cast is an error. One that exists stays locked until the transaction ends, so that it is not exchanged for another one.
--   * Somebody who is dropping it has it locked. They are waited for once in a message of the client, and as short as can be.
CREATE FUNCTION forwarder.has_newer_cast(types oid[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1ms'
SET exit_on_error = off
AS $$
DECLARE
    type oid;
    cast_oid oid;
BEGIN
    IF current_setting('forwarder.cast_was_locked', true) = statement_timestamp()::text THEN
        RETURN true;
    END IF;
    FOREACH type IN ARRAY types LOOP
        BEGIN
            cast_oid := (pg_get_object_address('cast', ARRAY[type::regtype::text], '{pg_catalog.json}')).objid;
            IF NOT EXISTS (SELECT FROM pg_cast WHERE oid = cast_oid) THEN
                RETURN true;
            END IF;
        EXCEPTION
            WHEN undefined_object THEN
                CONTINUE;
            WHEN OTHERS THEN
                PERFORM set_config('forwarder.cast_was_locked', statement_timestamp()::text, true);
                RETURN true;
        END;
    END LOOP;
    RETURN false;
END
$$;

-- Whether one of these types has a cast to json whose function is somebody's who is not trusted with rows of a table, or may have.
--   * A snapshot of this moment sees which cast there is, without a lock. PostgreSQL knows of none that is older once it has been told of
--     changes, which it is when it locks something: a function of ours, which nobody can queue for who may not use our schema.
--   * Others do not see what came after they were taken.
CREATE FUNCTION forwarder.has_strange_cast(types oid[], relation oid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF 0 = ANY (types) OR EXISTS (
        SELECT FROM pg_cast
        LEFT JOIN pg_proc ON pg_proc.oid = castfunc
        -- What has no function runs nobody's code.
        WHERE castsource = ANY (types) AND casttarget = 'json'::regtype AND castmethod = 'f' AND NOT forwarder.is_trusted(proowner, relation)
    ) THEN
        RETURN true;
    ELSIF current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM pg_get_object_address('function', '{forwarder,is_trusted}', '{oid,oid}');
        RETURN false;
    END IF;
    RETURN forwarder.has_newer_cast(types);
END
$$;

-- What forwarder.images() returns, for rows with types that somebody may give a cast who is not trusted; fault 42501 if somebody has. What
-- a cast does with prepared statements is not rolled back, and the writer might run what it has put in their place.
CREATE FUNCTION forwarder.images_unless_strange(types oid[], relation oid, old_row record, new_row record) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    images text[];
    statement text;
BEGIN
    -- Whatever is stored elsewhere is fetched by this.
    PERFORM pg_column_size(old_row), pg_column_size(new_row);
    IF forwarder.has_strange_cast(types, relation) THEN
        RETURN ARRAY[NULL, NULL, '42501'];
    END IF;
    images := forwarder.images(old_row, new_row, forwarder.max_image_bytes());
    IF forwarder.has_strange_cast(types, relation) THEN
        -- It came in between, and may have run. A driver prepares anew what is missing; its own statements do not come from SQL.
        FOR statement IN SELECT name FROM pg_prepared_statements WHERE from_sql AND prepare_time >= statement_timestamp() LOOP
            EXECUTE format('DEALLOCATE %I', statement);
        END LOOP;
        RETURN ARRAY[NULL, NULL, '42501'];
    END IF;
    RETURN images;
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
