-- Each function of ours is defined whole by the last migration that defines it, so that `forwarder migrate` can compare it with that, and
-- define it again. These two, of 0003_install.sql, were given their search_path by 0011_rights.sql afterwards.

CREATE OR REPLACE FUNCTION forwarder.register(
    target        regclass,
    before_image  text,
    key_columns   jsonb,
    registered_id integer DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    captured_id integer := registered_id;
BEGIN
    -- After a restore, the row of another table may bear the oid that this table has now.
    UPDATE forwarder.captured_table
    SET removed_at = now()
    WHERE relation = target AND removed_at IS NULL AND id IS DISTINCT FROM registered_id;

    IF captured_id IS NULL THEN
        INSERT INTO forwarder.captured_table (relation, schema_name, table_name)
        VALUES (target, '', '')
        RETURNING id INTO captured_id;
    END IF;
    UPDATE forwarder.captured_table AS captured
    SET
        relation = class.oid,
        schema_name = namespace.nspname,
        table_name = class.relname,
        key_columns = register.key_columns,
        before_image = register.before_image,
        removed_at = NULL
    FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.oid = target AND captured.id = captured_id;
    RETURN captured_id;
END
$$;

CREATE OR REPLACE FUNCTION forwarder.forget(registered_id integer) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE forwarder.captured_table SET removed_at = now() WHERE id = registered_id
$$;
