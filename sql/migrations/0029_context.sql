-- What a transaction says of itself, and what else a trigger function says of a change, beside the images.

-- No leaf is rewritten: rows of before have null in both.
ALTER TABLE forwarder.outbox
    -- What the setting forwarder.context was when the change was captured, in any form. Null: it was not set. Empty: likewise, since PostgreSQL leaves
    -- it empty after a transaction that had set it.
    ADD COLUMN context text,
    -- Members of a JSON object, as `"changed":["status"],"audit":{"user":"ada"}`: nothing around them, at least one. It is fetched and delivered with
    -- any change, however large that is. So whoever writes it keeps it short.
    ADD COLUMN extra text;
-- A default, and so no trigger function has to change. It is no more than this: each function that an expression calls is looked up anew for each
-- row that a trigger writes. To leave out here what is empty or too large for a record would cost 3 to 8 % of what a captured row costs, measured; so the reader does it.
ALTER TABLE forwarder.outbox ALTER COLUMN context SET DEFAULT current_setting('forwarder.context', true);

-- Copies of those.
ALTER TABLE forwarder.dead_letter
    ADD COLUMN context text,
    ADD COLUMN extra text;

-- As in 0026_lives.sql. But a change takes its context and `extra` along: the setting may have become another since.
CREATE OR REPLACE FUNCTION forwarder.move_to_end(line text, is_settled boolean) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    members text[] := string_to_array(line, ' ', '');
    state bigint := members[1];
    name text;
    seq bigint;
    leaf oid;
    place tid;
BEGIN
    FOREACH name IN ARRAY forwarder.notes_names(state) LOOP
        IF strpos(current_setting(name, true), line || E'\n') > 0 THEN
            PERFORM set_config(name, replace(current_setting(name, true), line || E'\n', ''), true);
        END IF;
    END LOOP;
    IF members[3] = 'N' THEN
        -- A change that is noted, and not captured (0031_rules.sql): it keeps its place among those that are moved. For a leaf it has the id of its table.
        PERFORM forwarder.note_change(state, nextval('forwarder.outbox_seq'), 'N', members[4]::bigint, NULL, members[6]::oid, NULL) WHERE NOT is_settled;
        RETURN;
    ELSIF pg_partition_root(members[6]::oid::regclass) IS DISTINCT FROM 'forwarder.outbox'::regclass THEN
        RETURN;
    END IF;
    -- By its place, so that no index is read that others write to.
    EXECUTE format(
        'WITH taken AS (DELETE FROM %s WHERE ctid = $1 AND txid = pg_current_xact_id() RETURNING *)
         INSERT INTO forwarder.outbox (table_id, relation, op, before, after, fault, context, extra)
         SELECT table_id, relation, op, before, after, fault, context, extra FROM taken
         RETURNING seq, tableoid, ctid', members[6]::oid::regclass)
    INTO seq, leaf, place USING members[7]::tid;
    IF NOT is_settled THEN
        PERFORM forwarder.note_change(state, seq, members[3]::"char", members[4]::bigint, members[5]::bigint, leaf, place);
    END IF;
END
$$;
