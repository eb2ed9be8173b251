-- Two more treatments of a column: its digits covered by a character, {"digits": "#"}, or exchanged for others, {"randomize": true}.

-- As in 0031_rules.sql, with these treatments.
CREATE OR REPLACE FUNCTION forwarder.stricter(one jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT treatment
    FROM (VALUES ($1), ($2)) AS given (treatment)
    ORDER BY treatment IS NULL, treatment ? 'drop' DESC, treatment ? 'mask' DESC, treatment ? 'hash' DESC, treatment ? 'digits' DESC,
        treatment ? 'randomize' DESC, treatment ? 'truncate' DESC, treatment ? 'key' DESC
    LIMIT 1
$$;

-- As in 0031_rules.sql, with these treatments. The digits that take the place of others are made of the salt, the value and their place in it: a value
-- becomes the same one wherever it stands.
CREATE OR REPLACE FUNCTION forwarder.treated(value json, treatment jsonb) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    -- A type of PostgreSQL's own, whoever calls it first in a session.
    content pg_catalog.text;
    salt pg_catalog.bytea;
BEGIN
    IF treatment - 'key' = '{}' OR json_typeof(value) = 'null' THEN
        RETURN value;
    ELSIF treatment ? 'mask' THEN
        RETURN treatment -> 'mask';
    END IF;
    content := value #>> '{}';
    IF treatment ? 'truncate' THEN
        RETURN to_json(left(content, (treatment ->> 'truncate')::integer));
    ELSIF treatment ? 'digits' THEN
        RETURN to_json(translate(content, '0123456789', repeat(treatment ->> 'digits', 10)));
    END IF;
    SELECT given.value INTO salt FROM forwarder.salt AS given;
    IF salt IS NULL THEN
        -- The snapshot of the transaction is older than the salt.
        RAISE 'no salt' USING ERRCODE = 'no_data_found';
    ELSIF treatment ? 'randomize' THEN
        salt := sha256(salt || convert_to(content, getdatabaseencoding()));
        RETURN (
            SELECT to_json(coalesce(string_agg(
                CASE WHEN strpos('0123456789', listed.letter) > 0
                    THEN (get_byte(sha256(salt || int8send(listed.place)), 0) % 10)::text
                    ELSE listed.letter
                END, '' ORDER BY listed.place), ''))
            FROM string_to_table(content, NULL) WITH ORDINALITY AS listed (letter, place)
        );
    ELSIF json_typeof(value) = 'number' THEN
        -- 1.0 and 1.00 are one key.
        content := trim_scale(content::numeric);
    END IF;
    RETURN to_json(encode(sha256(salt || convert_to(content, getdatabaseencoding())), 'hex'));
END
$$;
