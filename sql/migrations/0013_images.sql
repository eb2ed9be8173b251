-- What `forwarder listen` asks about images that it does not read along with their changes: those that are large, and those that
-- cannot become UTF-8, which is what JSON and our sessions are written in.

-- The SQLSTATE that a client with UTF-8 would be refused a text with; null if it can be given it. A database in SQL_ASCII holds any
-- byte, one in WIN1252 bytes that mean nothing.
CREATE FUNCTION forwarder.utf8_fault(value text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- There and back, since what is UTF-8 already is not looked at on the way there.
    PERFORM convert_from(convert_to(value, 'UTF8'), 'UTF8');
    RETURN NULL;
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN SQLSTATE;
END
$$;

-- A name as a client can be given it: as it is or, if it cannot become UTF-8, with a ? for each character above ASCII.
CREATE FUNCTION forwarder.legible(name text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN forwarder.utf8_fault(name) IS NULL THEN name
        ELSE regexp_replace(name, '[^\x01-\x7f]', '?', 'g')
    END
$$;

-- The key's part of a row's image, as a JSON object with the members exactly as they are in the image, under whichever of their names it
-- has. Null if it cannot become UTF-8, or the image is nested too deeply to be looked into.
CREATE FUNCTION forwarder.key_members(captured_id integer, image text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    members text;
BEGIN
    SELECT '{' || coalesce(string_agg(to_json(found.name)::text || ':' || found.value, ',' ORDER BY found.place), '') || '}'
    INTO members
    FROM (
        -- OFFSET 0: a value is looked up once. The image may have 60 MB.
        SELECT key.ordinality AS place, known.name, (image::json -> known.name)::text AS value
        FROM forwarder.captured_table AS captured
        CROSS JOIN LATERAL jsonb_array_elements(captured.key_columns) WITH ORDINALITY AS key
        CROSS JOIN LATERAL jsonb_array_elements_text(key.value -> 'names') AS known (name)
        WHERE captured.id = captured_id
        OFFSET 0
    ) AS found
    WHERE found.value IS NOT NULL;
    RETURN CASE WHEN forwarder.utf8_fault(members) IS NULL THEN members END;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    RETURN NULL;
END
$$;
