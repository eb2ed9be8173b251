-- Events of the application's own: what a transaction tells beside the rows that it writes. docs/events.md says what may be relied on.

-- Events are the changes of a table of the registry that has no table behind it, forwarder.event. So they are delivered, kept in order by their keys,
-- set aside, replayed, chosen by a sink's `tables` and paused as changes of rows are.
--   * Its id and oid are 0, which no table has: they are the same in every database, hence in a copy and after a restore.
--   * `forwarder migrate` passes over it (captured_tables.sql).
INSERT INTO forwarder.captured_table (id, relation, schema_name, table_name, key_columns, triggers) OVERRIDING SYSTEM VALUE
VALUES (0, 0, 'forwarder', 'event', '[{"attnum": 1, "names": ["key"]}]', '[]');

-- Puts an event into the outbox, in the transaction of the caller. Returns its seq, or null while capture is paused: then it is not delivered.
--   * One function takes json, jsonb and text, so that one grant is enough. Of two, for json and for jsonb, PostgreSQL could not tell which one is meant
--     by '{}'. Text is parsed here; json is passed on as it was written, to the last digit.
--   * `payload` is looked at only when its type is known: to make text of any other type would run its owner's code with the rights of this function.
CREATE FUNCTION forwarder.emit(
    type    text,
    key     text,
    payload anycompatible,
    topic   text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- As forwarder.paused_tables() has it.
    event_table constant integer := 0;
    -- What one transaction may take of the lock table of the server: the places that there are for one connection, 64 by default.
    max_locks constant integer := current_setting('max_locks_per_transaction');
    locks integer := coalesce(nullif(current_setting('forwarder.emit_locks', true), ''), '0');
    image text;
BEGIN
    IF coalesce(emit.type, '') = '' THEN
        RAISE 'forwarder.emit() needs a type, such as ''order.placed'', and was given none' USING ERRCODE = 'null_value_not_allowed';
    ELSIF coalesce(emit.key, '') = '' THEN
        RAISE 'forwarder.emit() needs a key, which says what the event is about, and was given none; where order does not matter, give gen_random_uuid()::text'
            USING ERRCODE = 'null_value_not_allowed';
    ELSIF pg_typeof(payload) NOT IN ('json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'character varying'::regtype) THEN
        RAISE 'forwarder.emit() takes a payload of type json, jsonb or text, and was given %; cast it, or use to_json()', pg_typeof(payload)
            USING ERRCODE = 'datatype_mismatch';
    END IF;
    image := concat(
        '{"key":', to_json(emit.key), ',"type":', to_json(emit.type), ',"topic":', coalesce(to_json(topic)::text, 'null'),
        ',"payload":', coalesce(payload::text::json::text, 'null'), '}');
    IF octet_length(image) > forwarder.max_image_bytes() THEN
        RAISE 'forwarder.emit() takes events of up to % bytes (max_image_bytes in [capture]), and was given one of %',
            forwarder.max_image_bytes(), octet_length(image)
            USING ERRCODE = 'program_limit_exceeded';
    ELSIF event_table = ANY (forwarder.paused_tables()) THEN
        RETURN NULL;
    END IF;

    -- The key's lock is what the row's lock is to capture(): it is held to the end of the transaction, and seq is drawn under it, so that for one key
    -- the order of seq is the order of commits. Before the doorbell, which is not to be kept from being armed while this waits.
    IF locks < max_locks THEN
        PERFORM pg_advisory_xact_lock(1719100517, hashtext(emit.key));
        PERFORM set_config('forwarder.emit_locks', (locks + 1)::text, true);
    END IF;

    PERFORM forwarder.ring();

    INSERT INTO forwarder.outbox (table_id, relation, op, after) VALUES (event_table, event_table, 'E', image);
    -- RETURNING would need the right to read the outbox.
    RETURN currval('forwarder.outbox_seq');
END
$$;

-- Nobody may call it but who is granted that, also where default privileges say otherwise. Whatever is granted on it later is meant.
DO $$
DECLARE
    capture_owner name := (
        SELECT pg_catalog.pg_get_userbyid(proowner) FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc);
    may_create boolean := pg_catalog.has_schema_privilege(capture_owner, 'forwarder', 'CREATE');
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) END
        FROM pg_catalog.pg_proc AS proc
        CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(proc.proacl, pg_catalog.acldefault('f', proc.proowner))) AS acl
        WHERE proc.oid = 'forwarder.emit'::pg_catalog.regproc AND acl.grantee <> proc.proowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION forwarder.emit FROM %s', grantee);
    END LOOP;
    -- It fills the outbox, and so belongs to the owner of forwarder.capture(). Only whoever may create in the schema can be given a function in it.
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA forwarder TO %I', capture_owner);
    END IF;
    EXECUTE pg_catalog.format('ALTER FUNCTION forwarder.emit OWNER TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA forwarder FROM %I', capture_owner);
    END IF;
END
$$;
