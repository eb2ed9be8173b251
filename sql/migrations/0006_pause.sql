-- Capture can be paused table by table, for when the outbox would fill the disk. Never in silence: a change of kind G(ap) is put into
-- the outbox where the gap begins and where it ends, and is delivered like any other.

-- Which tables are paused, as the trigger's first argument names them. A function and no table, since the trigger asks for every
-- row: what is inlined into its cached plan costs nothing, and replacing the function makes every session plan anew without a lock
-- on anybody's table. STABLE: of an immutable function the plan would keep the result and not notice. No SET, or it is not inlined.
CREATE FUNCTION forwarder.paused_tables() RETURNS integer[]
LANGUAGE sql STABLE
AS $$SELECT '{}'::integer[]$$;

-- The trigger function of 0002_capture.sql, and what is said there holds; but it passes over tables that are paused.
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
BEGIN
    IF TG_ARGV[0]::integer = ANY (forwarder.paused_tables()) THEN
        RETURN NULL;
    END IF;

    BEGIN
        IF TG_OP = 'INSERT' THEN
            new_image := row_to_json(NEW);
        ELSIF TG_OP = 'UPDATE' THEN
            new_image := row_to_json(NEW);
            IF TG_ARGV[1] = 'full' THEN
                old_image := row_to_json(OLD);
            END IF;
        ELSIF TG_OP = 'DELETE' THEN
            old_image := row_to_json(OLD);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        old_image := NULL;
        new_image := NULL;
        conversion_error := SQLSTATE;
    END;

    -- The cast to "char" keeps the first letter: I, U, D or T.
    INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault)
    VALUES (TG_ARGV[0]::integer, TG_RELID, TG_OP::"char", old_image, new_image, conversion_error);

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

-- Pauses or resumes every captured table. Returns those for which that was a change.
--   * A gap begins when this commits. Sessions plan anew at their next statement, so one statement may still be captured after the
--     first G, or missed after the second.
CREATE FUNCTION forwarder.set_paused(is_paused boolean) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was integer[] := forwarder.paused_tables();
    wanted integer[] := '{}';
BEGIN
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
