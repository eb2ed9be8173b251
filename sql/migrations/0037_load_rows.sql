-- What reads the rows that a captured table has already, for a load: forwarder/load/.
--
-- The reader's session makes the images of plain rows itself (0020_plain_rows.sql), since a call for each row would cost more than all the rest. It leaves to
-- forwarder.treated_value() the values that a rule covers, and to forwarder.row_image() the rows whose types may run somebody's code on their way to JSON,
-- and those of which one could not be made into JSON.

-- The columns of an index in their order: the name of each, null if it is an expression, and what a statement needs to walk along the index from a
-- value on, as JSON:
--   * `type`, of which that value has to be: the one that the operators compare, and for a domain (`is_domain`) what it is made of, whose checks are not
--     run then;
--   * `collation`, null if there is none; the operators `less`, `equal`, `at_least` and `greater`, as OPERATOR(schema.name);
--   * `is_descending` and `is_nulls_first`; `is_of_postgres`: the type comes with PostgreSQL;
--   * `has_checks`: a part of the type is a domain with a check, of somebody who is neither a superuser nor the owner of our schema. It would run wherever
--     a text becomes such a value.
CREATE FUNCTION forwarder.index_columns(index_oid oid) RETURNS TABLE (place integer, name text, facts json)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        number,
        attribute.attname::text,
        json_build_object(
            'name', attribute.attname,
            'type', format_type(compared.type, -1),
            'is_domain', (SELECT typtype = 'd' FROM pg_type WHERE oid = attribute.atttypid),
            'collation', (
                SELECT format('%I.%I', namespace.nspname, found.collname)
                FROM pg_collation AS found
                JOIN pg_namespace AS namespace ON namespace.oid = found.collnamespace
                WHERE found.oid = index.indcollation[number - 1]),
            'less', operator.less,
            'equal', operator.equal,
            'greater', operator.greater,
            'at_least', operator.at_least,
            'is_descending', index.indoption[number - 1] & 1 <> 0,
            'is_nulls_first', index.indoption[number - 1] & 2 <> 0,
            'is_of_postgres', (SELECT typnamespace = 'pg_catalog'::regnamespace FROM pg_type WHERE oid = compared.type),
            'has_checks', parts.have_checks
        )
    FROM pg_index AS index
    CROSS JOIN LATERAL generate_series(1, index.indnkeyatts) AS number
    JOIN pg_opclass AS class ON class.oid = index.indclass[number - 1]
    JOIN pg_type AS input ON input.oid = class.opcintype
    LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = index.indkey[number - 1]
    CROSS JOIN LATERAL (
        WITH RECURSIVE base AS (
            SELECT type.oid, type.typtype, type.typbasetype FROM pg_type AS type WHERE type.oid = attribute.atttypid
            UNION ALL
            SELECT type.oid, type.typtype, type.typbasetype
            FROM base
            JOIN pg_type AS type ON type.oid = base.typbasetype
            WHERE base.typtype = 'd'
        )
        SELECT CASE WHEN input.typtype = 'p' THEN base.oid ELSE input.oid END AS type FROM base WHERE base.typtype <> 'd'
    ) AS compared
    CROSS JOIN LATERAL (
        SELECT
            min(found.text) FILTER (WHERE found.amopstrategy = 1) AS less,
            min(found.text) FILTER (WHERE found.amopstrategy = 3) AS equal,
            min(found.text) FILTER (WHERE found.amopstrategy = 4) AS at_least,
            min(found.text) FILTER (WHERE found.amopstrategy = 5) AS greater
        FROM (
            SELECT link.amopstrategy, format('OPERATOR(%I.%s)', namespace.nspname, meant.oprname) AS text
            FROM pg_amop AS link
            JOIN pg_operator AS meant ON meant.oid = link.amopopr
            JOIN pg_namespace AS namespace ON namespace.oid = meant.oprnamespace
            WHERE link.amopfamily = class.opcfamily AND link.amopmethod = class.opcmethod AND link.amoppurpose = 's'
              AND link.amoplefttype = class.opcintype AND link.amoprighttype = class.opcintype
        ) AS found
    ) AS operator
    CROSS JOIN LATERAL (
        WITH RECURSIVE part (type) AS (
            SELECT compared.type
            UNION
            SELECT next.type
            FROM part
            JOIN pg_type AS whole ON whole.oid = part.type
            CROSS JOIN LATERAL (
                SELECT whole.typbasetype WHERE whole.typtype = 'd'
                UNION ALL
                SELECT whole.typelem WHERE whole.typsubscript = 'array_subscript_handler'::regproc
                UNION ALL
                SELECT member.atttypid FROM pg_attribute AS member WHERE member.attrelid = whole.typrelid AND member.attnum > 0 AND NOT member.attisdropped
                UNION ALL
                SELECT range.rngsubtype FROM pg_range AS range WHERE whole.oid IN (range.rngtypid, range.rngmultitypid)
            ) AS next (type)
        )
        SELECT EXISTS (
            SELECT FROM part
            JOIN pg_constraint ON contypid = part.type
            JOIN pg_type AS domain ON domain.oid = part.type
            JOIN pg_roles AS role ON role.oid = domain.typowner
            WHERE NOT role.rolsuper AND role.oid <> (SELECT nspowner FROM pg_namespace WHERE nspname = 'forwarder')
        ) AS have_checks
    ) AS parts
    WHERE index.indexrelid = $1
$$;

-- Another text whenever a table, its columns, its indexes or our triggers on it are others than before.
CREATE FUNCTION forwarder.relation_stamp(relation oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(
        ' ',
        (SELECT class.xmin::text || '/' || namespace.xmin FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace WHERE class.oid = $1),
        (SELECT string_agg(xmin::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0),
        (SELECT string_agg(indexrelid || '/' || xmin, ',' ORDER BY indexrelid) FROM pg_index WHERE indrelid = $1),
        (SELECT string_agg(oid || '/' || xmin, ',' ORDER BY oid) FROM pg_trigger WHERE tgrelid = $1 AND starts_with(tgname, '00_forwarder_capture')))
$$;

-- What it takes to make the images of a table's rows, told from a null of their type: NULL::public.orders.
--   * `is_plain`: row_to_json() in a session that is set up for it does, see forwarder.needs_of(); or would, if
--   * `enums`, these columns, were texts: they are enums without a cast to json.
--   * `strange_types`: if not, the types that somebody may give a cast to json who is not trusted with rows of the table, see forwarder.parts_of().
--   * `rules`: those of its triggers about columns and images, as forwarder.shaped() takes them; null: there are none.
CREATE FUNCTION forwarder.image_needs(
    row_value anyelement, captured_id integer, OUT is_plain boolean, OUT enums text[], OUT strange_types oid[], OUT rules jsonb, OUT max_bytes bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target oid := forwarder.table_of(row_value);
    needs integer := forwarder.needs_of(row_value);
BEGIN
    is_plain := needs IS NOT NULL;
    enums := '{}';
    IF needs & 16 <> 0 THEN
        enums := ARRAY(
            WITH RECURSIVE base AS (
                SELECT attribute.attname, type.typtype, type.typbasetype
                FROM pg_attribute AS attribute
                JOIN pg_type AS type ON type.oid = attribute.atttypid
                WHERE attribute.attrelid = target AND attribute.attnum > 0 AND NOT attribute.attisdropped
                UNION ALL
                SELECT base.attname, type.typtype, type.typbasetype FROM base JOIN pg_type AS type ON type.oid = base.typbasetype
            )
            SELECT base.attname::text FROM base WHERE base.typtype = 'e'
        );
    END IF;
    IF NOT is_plain THEN
        strange_types := coalesce((forwarder.parts_of(row_value))[9:], '{0}');
    END IF;
    rules := (
        SELECT forwarder.resolved(argument.rules, captured_id, target)
        FROM pg_trigger
        CROSS JOIN LATERAL string_to_array(encode(tgargs, 'escape'), E'\\000') AS arguments
        CROSS JOIN LATERAL convert_from(decode(arguments[2], 'escape'), getdatabaseencoding()) AS argument (rules)
        WHERE tgrelid = target AND starts_with(tgname, '00_forwarder_capture') AND arguments[1] = captured_id::text
          AND starts_with(argument.rules, '{') AND argument.rules::jsonb ? 'others'
        ORDER BY tgname
        LIMIT 1
    );
    max_bytes := forwarder.max_image_bytes();
END
$$;

-- A value as its column is treated, see forwarder.treated(), for the images that the reader makes.
CREATE FUNCTION forwarder.treated_value(value json, treatment jsonb) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$BEGIN RETURN forwarder.treated(coalesce(value, 'null'), treatment)::json; END$$;

-- The image of a row as the trigger would make it of an insert, for those of which the reader cannot: see the beginning. Four texts:
--   1. the image;
--   2. the SQLSTATE why there is none;
--   3. further members of the record: "withheld":["note"];
--   4. where there is no image, the key, if that can be told.
-- `rules` and `strange_types` are of forwarder.image_needs(). The latter are null if rows are plain. `key_image` has the columns of the key alone, as they
-- are in the table; null if there is no key.
CREATE FUNCTION forwarder.row_image(whole record, relation oid, rules jsonb, strange_types oid[], key_image text) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET exit_on_error = off
AS $$
DECLARE
    images text[];
    image text;
    members text;
    conversion_error text;
    key text;
BEGIN
    IF strange_types IS NULL THEN
        BEGIN
            image := CASE WHEN pg_column_size(whole) <= forwarder.max_image_bytes() THEN row_to_json(whole)::text END;
        EXCEPTION WHEN OTHERS THEN
            -- PostgreSQL has no code of its own for a value above 1 GB.
            conversion_error := CASE WHEN SQLERRM LIKE 'invalid memory alloc request size %' THEN '54000' ELSE SQLSTATE END;
        END;
    ELSE
        images := CASE
            WHEN strange_types = '{}' THEN forwarder.images(NULL, whole, forwarder.max_image_bytes())
            ELSE forwarder.images_unless_strange(strange_types, relation, NULL, whole)
        END;
        image := images[2];
        conversion_error := images[3];
    END IF;
    IF conversion_error IS NULL AND (octet_length(image) <= forwarder.max_image_bytes()) IS NOT TRUE THEN
        conversion_error := '54000';
    END IF;
    IF conversion_error IS NULL THEN
        BEGIN
            IF rules IS NOT NULL THEN
                SELECT shape.new_shape, nullif(shape.members, '') INTO STRICT image, members FROM forwarder.shaped(NULL, image, rules) AS shape;
            END IF;
            -- What is kept in another encoding may have characters that a client cannot be given.
            conversion_error := CASE WHEN getdatabaseencoding() <> 'UTF8' THEN forwarder.utf8_fault(concat(image, members)) END;
        EXCEPTION WHEN OTHERS THEN
            conversion_error := SQLSTATE;
        END;
    END IF;
    IF conversion_error IS NULL THEN
        RETURN ARRAY[image, NULL, members, NULL];
    END IF;
    BEGIN
        key := CASE WHEN rules IS NULL THEN key_image ELSE (SELECT shape.new_shape FROM forwarder.shaped(NULL, key_image, rules) AS shape) END;
        IF forwarder.utf8_fault(key) IS NOT NULL THEN
            key := NULL;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        key := NULL;
    END;
    RETURN ARRAY[NULL, conversion_error, NULL, key];
END
$$;

-- As in 0031_rules.sql. What makes images for a load goes where forwarder.capture() goes, too.
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
    routine regprocedure;
    caller name;
BEGIN
    IF NOT pg_has_role(owner_name, role_name, 'USAGE') THEN
        RAISE 'role % would not inherit the rights of %, and could not replace forwarder.capture(); ALTER ROLE % INHERIT',
            quote_ident(owner_name), quote_ident(role_name), quote_ident(owner_name);
    END IF;
    FOR routine IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'forwarder'::regnamespace
          AND proname IN (
              'capture', 'capture_by_rules', 'capture_in_statement', 'capture_statement', 'capture_truncate', 'emit', 'image_needs', 'row_image', 'treated_value')
    LOOP
        IF role_name <> (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = routine) THEN
            EXECUTE format('GRANT CREATE ON SCHEMA forwarder TO %I', role_name);
            EXECUTE format('ALTER FUNCTION %s OWNER TO %I', routine, role_name);
            EXECUTE format('REVOKE CREATE ON SCHEMA forwarder FROM %I', role_name);
        END IF;
    END LOOP;
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

-- As forwarder.capture_by_rules() in 0031_rules.sql. What rights the runtime role has is brought in line by `forwarder migrate`.
DO $$
DECLARE
    capture_owner name := (
        SELECT pg_catalog.pg_get_userbyid(proowner) FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc);
    may_create boolean := pg_catalog.has_schema_privilege(capture_owner, 'forwarder', 'CREATE');
    routine regprocedure;
BEGIN
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA forwarder TO %I', capture_owner);
    END IF;
    FOR routine IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace AND proname IN ('image_needs', 'index_columns', 'relation_stamp', 'row_image', 'treated_value')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
        IF routine IN (SELECT oid FROM pg_catalog.pg_proc WHERE oid = routine AND prosecdef) THEN
            EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO %I', routine, capture_owner);
        END IF;
    END LOOP;
    EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION forwarder.utf8_fault(text) TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA forwarder FROM %I', capture_owner);
    END IF;
END
$$;
