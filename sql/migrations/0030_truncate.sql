-- The record of a TRUNCATE is written before the tables are emptied. PostgreSQL locks all tables of the statement, runs the BEFORE TRUNCATE
-- triggers of all of them, empties all of them, and then runs the AFTER TRUNCATE triggers. Until now our trigger was an AFTER trigger,
-- "00_forwarder_truncate", which calls forwarder.capture(). So an AFTER trigger of another table of the statement could insert rows before
-- the record was written.
--   * The new trigger is a BEFORE trigger, "zz_forwarder_truncate", so all tables have their records before the first AFTER trigger runs.
--   * Its name sorts behind most others: what another BEFORE trigger writes into the same table is emptied too, and belongs before the
--     record. What a BEFORE trigger writes into a table that has its record already looks as if it had come after the TRUNCATE. Such a
--     trigger has a name that sorts behind ours, or belongs to a later table of the statement than the one that it writes to.
--   * It calls a function of its own, forwarder.capture_truncate(). In each session PL/pgSQL compiles a function anew for each trigger that
--     calls it, and keeps a plan for each expression in it. Whenever a table gets a new file, PostgreSQL looks at all these plans. With
--     forwarder.capture(), a TRUNCATE of hundreds of tables took seconds.
--   * The old trigger is in use until `forwarder migrate` comes to its table. Then it gets the condition WHEN (false), and stays: to drop
--     or to rename it would take a lock that waits for readers of the table.

-- The functions that triggers for rows call, as far as there are any.
CREATE FUNCTION forwarder.row_triggers() RETURNS oid[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY[
        to_regproc('forwarder.capture'), to_regproc('forwarder.capture_by_rules'), to_regproc('forwarder.capture_in_statement')
    ]::oid[]
$$;

-- Rings the listener's doorbell as forwarder.capture() does, which says why. It is called by functions with a path of their own.
CREATE FUNCTION forwarder.ring() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(1719100530, 1) THEN
        IF current_setting('forwarder.wake', true) IS DISTINCT FROM 'poll' AND pg_notification_queue_usage() < 0.5 THEN
            PERFORM pg_notify('forwarder', '');
        END IF;
    END IF;
END
$$;

-- What forwarder.capture_truncate() does. It is called by that alone, with its path and rights.
CREATE FUNCTION forwarder.write_truncation(relation oid, trigger_name name, arguments text[]) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    captured_id integer := arguments[0];
    -- Itself and its ancestors, if it is a partition.
    family oid[] := ARRAY(SELECT relid FROM pg_partition_ancestors(relation));
    -- See 0031_rules.sql. Null: there are none.
    rules jsonb := CASE WHEN starts_with(arguments[1], '{') THEN arguments[1] END;
BEGIN
    IF captured_id = ANY (forwarder.paused_tables()) THEN
        RETURN;
    END IF;
    -- A table that was a partition has kept this trigger, but has lost the one for its rows: then it is not captured any more. The snapshot
    -- may be older than the triggers. So if it does not see this trigger, the table counts as captured. And a trigger that was inherited
    -- counts only while the table is a partition, which pg_partition_ancestors() reads from the latest state.
    IF EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = relation AND tgname = trigger_name AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = arguments[0]
    ) AND NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = ANY (relation || family) AND tgfoid = ANY (forwarder.row_triggers()) AND tgtype & 1 = 1
          AND split_part(encode(tgargs, 'escape'), E'\\000', 1) = arguments[0]
          AND (tgparentid = 0 OR tgrelid = ANY (family))
    ) THEN
        RETURN;
    END IF;
    PERFORM forwarder.ring();
    IF rules IS NULL THEN
        INSERT INTO forwarder.outbox (table_id, relation, op) VALUES (captured_id, relation, 'T');
    ELSE
        INSERT INTO forwarder.outbox (table_id, relation, op, context, extra)
        VALUES (
            captured_id, relation, 'T', CASE WHEN rules -> 'context' IS NULL THEN current_setting('forwarder.context', true) END,
            CASE WHEN rules ? 'audit' THEN forwarder.audit(rules -> 'audit' <> 'true') END);
    END IF;
    -- A file that this transaction has made is emptied in place, so new rows have the file and the places of former ones. What is noted of
    -- the former must not be taken for the new (forwarder.file_seed). Where nothing is noted there is no need for the setting, of which
    -- one for each table would stay until the session ends.
    IF forwarder.is_noted('forwarder.keys_taken_in', arguments[0])
        OR forwarder.is_noted('forwarder.versions_replaced_in', arguments[0])
    THEN
        PERFORM set_config('forwarder.truncated_' || relation, currval('forwarder.outbox_seq')::text, true);
    END IF;
END
$$;

-- The trigger function for TRUNCATE. It has one expression, since each session keeps a plan of that for each trigger.
CREATE FUNCTION forwarder.capture_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM forwarder.write_truncation(TG_RELID, TG_NAME, TG_ARGV);
    RETURN NULL;
END
$$;

-- forwarder.capture_truncate() belongs to the owner of forwarder.capture(), who may call what it calls from the moment on that this is
-- committed. Only whoever may create in the schema can be given a function in it, hence CREATE for a moment.
DO $$
DECLARE
    capture_owner name := (
        SELECT pg_catalog.pg_get_userbyid(proowner) FROM pg_catalog.pg_proc WHERE oid = 'forwarder.capture'::pg_catalog.regproc);
    may_create boolean := pg_catalog.has_schema_privilege(capture_owner, 'forwarder', 'CREATE');
    created regprocedure;
BEGIN
    FOR created IN
        SELECT oid FROM pg_catalog.pg_proc
        WHERE pronamespace = 'forwarder'::pg_catalog.regnamespace
          AND proname IN ('capture_truncate', 'ring', 'row_triggers', 'write_truncation')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', created);
    END LOOP;
    EXECUTE pg_catalog.format(
        'GRANT EXECUTE ON FUNCTION forwarder.ring(), forwarder.row_triggers(), forwarder.write_truncation(oid, name, text[]) TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA forwarder TO %I', capture_owner);
    END IF;
    EXECUTE pg_catalog.format('ALTER FUNCTION forwarder.capture_truncate() OWNER TO %I', capture_owner);
    IF NOT may_create THEN
        EXECUTE pg_catalog.format('REVOKE CREATE ON SCHEMA forwarder FROM %I', capture_owner);
    END IF;
END
$$;
