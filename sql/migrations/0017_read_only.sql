-- The trigger function of 0010_versions.sql, and what is said there holds. Besides:
--   * While it makes the images, nothing can be written. A cast to json, which belongs to whoever owns a column's type, runs then with the rights
--     of the function's owner. That role may insert into the outbox, and could alter or drop the function itself, as any owner can.
--   * No image depends on how a session quotes names (a column of type regclass).
CREATE OR REPLACE FUNCTION forwarder.capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
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
    -- The condition is a constant in the plan, as long as nothing is paused.
    IF forwarder.paused_tables() <> '{}' THEN
        IF TG_ARGV[0]::integer = ANY (forwarder.paused_tables()) THEN
            RETURN NULL;
        END IF;
    END IF;

    -- A version that the same transaction has replaced has an xmax, and one that it has made has an xmin that is not older than its own id.
    BEGIN
        -- For as long as this block lasts, since it is a transaction of its own within the writer's. An assignment costs a quarter of a PERFORM.
        is_read_only := set_config('transaction_read_only', 'on', true);
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
