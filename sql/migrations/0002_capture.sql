-- The trigger function. It runs inside the application's transactions, so it must be cheap and must never fail:
--   * it names no column, so that ALTER TABLE cannot break it; what differs per table comes through its arguments:
--     the id in forwarder.captured_table, and which image of the old row an update keeps (full or none);
--   * SECURITY DEFINER, so that a role that may write to the table needs no grant of ours;
--   * every setting that changes how a value is written as JSON is pinned, so that a row's image does not depend on who
--     wrote it;
--   * a row that cannot become JSON (over 1 GB as text, or a type whose own cast to json fails) is recorded without
--     images. Only that conversion stands in the EXCEPTION block: nothing is written there, so its subtransaction never
--     takes a transaction id.
CREATE FUNCTION forwarder.capture() RETURNS trigger
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
