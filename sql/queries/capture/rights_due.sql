-- The statements, one a row, that give each role the rights on schema forwarder that it needs, and take all others away. Changes nothing itself.
-- Reads only the catalog, so it works with every version of the schema, and where there is none.
--   $1 the role that forwarder.capture() should belong to (null: the one that has it), $2 a role that is to run `forwarder listen` (null: only those
--   that do already), $3 the oids of the tables that are to be captured
-- A row without a statement names a role that a part concerns, whether there is anything to do or not.
WITH RECURSIVE wanted (part, kind, name, privileges) AS (
    VALUES
    -- What the trigger functions may do. A function that they begin to call is to be added here. One that they do not call any more stays for a
    -- release, for statements that have begun under the release before: capture_with_care(), and what that calls.
    ('capture', 'SCHEMA', 'forwarder', '{USAGE}'::text[]),
    ('capture', 'TABLE', 'outbox', '{INSERT}'),
    ('capture', 'TABLE', 'salt', '{SELECT}'),
    ('capture', 'SEQUENCE', 'outbox_seq', '{USAGE}'),
    ('capture', 'FUNCTION', 'audit', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'capture_in_order', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'capture_shaped', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'capture_with_care', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'free_key', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'goes_in_bulk', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'has_newer_cast', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'has_strange_cast', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'has_types_of_postgres', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'image_needs', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'images', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'images_unless_strange', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'is_among', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'is_noted', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'is_part_of_this', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'is_plain', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'is_plain_as_it_is', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'is_trusted', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'is_utc', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'key_in', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'key_of', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'keys_if_moved', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'max_image_bytes', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'needs_of', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'needs_setting', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'note', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'parts_of', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'parts_within', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'paused_tables', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'planned_rules', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'put_behind', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'put_noted_behind', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'replaced_by', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'resolved', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'ring', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'row_image', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'row_triggers', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'rules_of', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'shaped', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'state_seed', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'strange_types', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'table_of', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'treated', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'treated_value', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'treatments', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'utf8_fault', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'version', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'write_change', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'write_in_order', '{EXECUTE}'),
    ('capture', 'FUNCTION', 'write_truncation', '{EXECUTE}'),
    -- What `listen`, `replay`, `sinks` and `dead-letters` need.
    ('runtime', 'SCHEMA', 'forwarder', '{USAGE}'),
    ('runtime', 'TABLE', 'ahead', '{SELECT,INSERT,UPDATE,DELETE}'),
    ('runtime', 'TABLE', 'captured_table', '{SELECT,UPDATE (key_columns)}'),
    ('runtime', 'TABLE', 'dead_letter', '{SELECT,INSERT,UPDATE,DELETE}'),
    ('runtime', 'TABLE', 'dropped', '{SELECT}'),
    ('runtime', 'TABLE', 'history', '{SELECT}'),
    ('runtime', 'TABLE', 'known_columns', '{SELECT,INSERT,UPDATE}'),
    ('runtime', 'TABLE', 'listener', '{SELECT,INSERT,UPDATE,DELETE}'),
    ('runtime', 'TABLE', 'load', '{SELECT,INSERT,UPDATE,DELETE}'),
    ('runtime', 'TABLE', 'outbox', '{SELECT}'),
    ('runtime', 'TABLE', 'replay', '{SELECT,INSERT,UPDATE,DELETE}'),
    ('runtime', 'TABLE', 'sink', '{SELECT,INSERT,UPDATE,DELETE}'),
    ('runtime', 'TABLE', 'table_statistics', '{SELECT,INSERT,UPDATE,DELETE}'),
    ('runtime', 'TABLE', 'tally', '{SELECT,INSERT,DELETE}'),
    ('runtime', 'SEQUENCE', 'outbox_seq', '{SELECT,USAGE}'),
    ('runtime', 'FUNCTION', 'attach_by_rules', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'compact_sinks', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'complete_partition', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'covered_elsewhere', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'enter_history', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'expected_triggers', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'image_needs', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'index_columns', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'is_foreign', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'key_members', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'leaf_events', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'leaves', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'legible', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'origins', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'paused_tables', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'present_columns', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'read_floor', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'reclaim', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'relation_stamp', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'row_image', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'row_triggers', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'sees', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'set_paused', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'standings', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'tell_schemas', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'treated_value', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'trim_ahead', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'twin_of', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'utf8_fault', '{EXECUTE}'),
    ('runtime', 'FUNCTION', 'watch_triggers', '{EXECUTE}'),
    -- What the owner of a partitioned table needs to create or attach a partition, which gets the triggers of its parent. Without USAGE on
    -- the schema nobody can name the functions for a trigger of their own.
    ('partitions', 'FUNCTION', 'capture', '{EXECUTE}'),
    ('partitions', 'FUNCTION', 'capture_by_rules', '{EXECUTE}')
),
-- The owner of the schema is the role that owns what the first migration created.
ours AS (
    SELECT
        to_regnamespace('forwarder')::oid AS schema,
        coalesce(
            (SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass('forwarder.migration')),
            (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
        ) AS owner,
        (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) AS installer,
        CASE
            WHEN $1::text IS NULL THEN capture.proowner
            ELSE (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1::text)
        END AS capture_role,
        capture.proowner AS capture_owner,
        -- The role of images() has the name of that of capture() with an ending, and may do nothing.
        (
            SELECT oid FROM pg_catalog.pg_roles WHERE rolname = coalesce($1::text, pg_get_userbyid(capture.proowner)::text) || '_images'
        ) AS images_role,
        (SELECT proowner FROM pg_catalog.pg_proc WHERE oid = to_regproc('forwarder.images')) AS images_owner
    FROM (SELECT to_regproc('forwarder.capture')::oid AS oid) AS named
    LEFT JOIN pg_catalog.pg_proc AS capture ON capture.oid = named.oid
),
object AS (
    SELECT
        'SCHEMA' AS kind, nspname AS name, 'SCHEMA forwarder' AS quoted, nspowner AS owner,
        coalesce(nspacl, acldefault('n', nspowner)) AS acl, false AS follows
    FROM pg_catalog.pg_namespace, ours
    WHERE oid = ours.schema
    UNION ALL
    SELECT
        class.kind, relname, format('%s forwarder.%I', class.kind, relname), relowner,
        coalesce(relacl, acldefault(CASE class.kind WHEN 'SEQUENCE' THEN 's' ELSE 'r' END::"char", relowner)),
        -- The sequence of an identity column always belongs to the owner of the table.
        EXISTS (
            SELECT FROM pg_catalog.pg_depend AS link
            WHERE link.classid = 'pg_catalog.pg_class'::regclass AND link.objid = class.oid AND link.deptype IN ('i', 'a')
              AND class.relkind = 'S'
        )
    FROM (
        SELECT *, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
        FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'S')
    ) AS class
    WHERE relnamespace = to_regnamespace('forwarder')
    UNION ALL
    SELECT
        'FUNCTION', proname, format('FUNCTION forwarder.%I(%s)', proname, pg_get_function_identity_arguments(oid)), proowner,
        coalesce(proacl, acldefault('f', proowner)), false
    FROM pg_catalog.pg_proc
    WHERE pronamespace = to_regnamespace('forwarder')
),
given AS (
    SELECT object.*, acl.grantee, acl.privilege_type AS privilege
    FROM object CROSS JOIN LATERAL aclexplode(object.acl) AS acl
    WHERE acl.grantee <> object.owner
    UNION ALL
    SELECT object.*, acl.grantee, format('%s (%I)', acl.privilege_type, attribute.attname)
    FROM object
    CROSS JOIN ours
    JOIN pg_catalog.pg_class AS class ON class.relnamespace = ours.schema AND class.relname = object.name
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid AND NOT attribute.attisdropped
    CROSS JOIN LATERAL aclexplode(attribute.attacl) AS acl
    WHERE object.kind = 'TABLE' AND acl.grantee <> object.owner
),
-- What the default privileges of the owner, or of the installer, grant on objects that are created here.
default_given AS (
    SELECT
        CASE defaults.defaclobjtype WHEN 'r' THEN 'TABLE' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FUNCTION' WHEN 'n' THEN 'SCHEMA' END AS kind,
        acl.grantee,
        acl.privilege_type AS privilege
    FROM ours
    JOIN pg_catalog.pg_default_acl AS defaults
        ON defaults.defaclrole IN (ours.owner, ours.installer) AND defaults.defaclnamespace IN (0, coalesce(ours.schema, 0))
    CROSS JOIN LATERAL aclexplode(defaults.defaclacl) AS acl
    WHERE acl.grantee NOT IN (0, ours.owner, ours.installer)
),
-- Default privileges never grant on columns. So a role that was granted this privilege is one that we have set up to run `forwarder listen`.
runtime_role AS (
    SELECT role.oid FROM pg_catalog.pg_roles AS role, ours WHERE role.rolname = $2::text AND role.oid <> ours.owner
    UNION
    SELECT given.grantee
    FROM given
    WHERE given.name = 'captured_table' AND given.privilege = 'UPDATE (key_columns)' AND given.grantee <> 0
),
-- What a role needs that calls emit(). 0032_emit.sql has revoked what default privileges granted, so who may execute it was granted that by name.
emitter_right AS (
    SELECT needed.kind, given.grantee, needed.name, needed.privilege
    FROM given
    CROSS JOIN (VALUES ('SCHEMA', 'forwarder', 'USAGE'), ('FUNCTION', 'emit', 'EXECUTE')) AS needed (kind, name, privilege)
    WHERE given.kind = 'FUNCTION' AND given.name = 'emit' AND given.privilege = 'EXECUTE'
),
-- The tables that are to be captured, and their partitions. Locks none of them, as pg_partition_tree() would.
chosen (oid) AS (
    SELECT unnest($3::oid[])
    UNION
    SELECT link.inhrelid
    FROM chosen
    JOIN pg_catalog.pg_inherits AS link ON link.inhparent = chosen.oid AND NOT link.inhdetachpending
),
-- Roles that need rights, and for which part. The role of capture() need not exist yet; then it has no oid.
entitled (part, role, role_name) AS (
    SELECT 'capture', capture_role, coalesce($1::text, pg_get_userbyid(capture_role))
    FROM ours WHERE capture_role IS DISTINCT FROM owner AND ($1::text IS NOT NULL OR capture_role IS NOT NULL)
    UNION ALL
    SELECT 'runtime', oid, pg_get_userbyid(oid) FROM runtime_role
    UNION
    SELECT 'partitions', class.relowner, pg_get_userbyid(class.relowner)
    FROM ours
    CROSS JOIN pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_roles AS role ON role.oid = class.relowner AND NOT role.rolsuper
    WHERE class.relkind = 'p' AND class.relowner <> ours.owner
      AND (
          class.oid IN (SELECT chosen.oid FROM chosen)
          OR EXISTS (
              SELECT FROM pg_catalog.pg_trigger AS trigger
              WHERE trigger.tgrelid = class.oid AND trigger.tgfoid IN (to_regproc('forwarder.capture'), to_regproc('forwarder.capture_by_rules'))
          )
      )
),
right_of AS (
    SELECT entitled.*, wanted.kind, wanted.name, privilege
    FROM entitled
    JOIN wanted USING (part)
    CROSS JOIN LATERAL unnest(wanted.privileges) AS privilege
),
-- What the role of capture() can do only because PUBLIC can. That stays until the role was granted it: else the transactions of writers would fail.
needed_as_public AS (
    SELECT object.quoted
    FROM object
    JOIN wanted USING (kind, name)
    CROSS JOIN ours
    WHERE wanted.part = 'capture' AND ours.capture_owner <> object.owner
      AND object.quoted NOT IN (SELECT given.quoted FROM given, ours WHERE given.grantee = ours.capture_owner)
),
-- Our tables; and in `alien` all that changes how they behave, or keeps them from being emptied, none of which is ours.
ours_table AS (
    SELECT class.oid, class.relowner, class.relrowsecurity OR class.relforcerowsecurity AS hides_rows, format('forwarder.%I', class.relname) AS quoted
    FROM ours
    JOIN pg_catalog.pg_class AS class
        ON class.relnamespace = ours.schema AND class.relkind IN ('r', 'p') AND class.relowner = ours.owner
),
alien (role_name, statement) AS (
    -- A role that had TRIGGER on our tables for a while may have left triggers there, which run with the rights of the listener that writes.
    SELECT pg_get_userbyid(proc.proowner)::text, format('DROP TRIGGER %I ON %s;', trigger.tgname, quoted)
    FROM ours_table
    JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = ours_table.oid AND NOT trigger.tgisinternal AND trigger.tgparentid = 0
    JOIN pg_catalog.pg_proc AS proc ON proc.oid = trigger.tgfoid
    UNION ALL
    SELECT pg_get_userbyid(relowner), format('DROP RULE %I ON %s;', rule.rulename, quoted)
    FROM ours_table
    JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = ours_table.oid
    UNION ALL
    SELECT pg_get_userbyid(relowner), format('DROP POLICY %I ON %s;', policy.polname, quoted)
    FROM ours_table
    JOIN pg_catalog.pg_policy AS policy ON policy.polrelid = ours_table.oid
    UNION ALL
    SELECT pg_get_userbyid(relowner), format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;', quoted)
    FROM ours_table
    WHERE hides_rows
    UNION ALL
    -- A table that a foreign key refers to cannot be truncated. The key belongs to the other table. Where we may not alter that, our constraint that
    -- the key relies on is dropped with CASCADE, and made again at once.
    SELECT DISTINCT
        pg_get_userbyid(other.relowner),
        CASE
            WHEN pg_has_role(ours.installer, other.relowner, 'USAGE')
            THEN format('ALTER TABLE %s DROP CONSTRAINT %I;', other.oid::regclass, reference.conname)
            ELSE format(
                'ALTER TABLE %s DROP CONSTRAINT %I CASCADE, ADD CONSTRAINT %2$I %s;',
                quoted, relied_on.conname, pg_get_constraintdef(relied_on.oid))
        END
    FROM ours
    CROSS JOIN ours_table
    JOIN pg_catalog.pg_constraint AS reference
        ON reference.confrelid = ours_table.oid AND reference.contype = 'f' AND reference.conparentid = 0
    JOIN pg_catalog.pg_class AS other ON other.oid = reference.conrelid
    JOIN pg_catalog.pg_constraint AS relied_on ON relied_on.conindid = reference.conindid AND relied_on.contype IN ('p', 'u')
),
due (place, part, role_name, statement) AS (
    -- What a superuser, or the role that runs this, has created goes to the owner. Who is to own the others is the part `capture`.
    SELECT
        1, 'owner', pg_get_userbyid(ours.owner)::text,
        format('ALTER %s OWNER TO %I;', object.quoted, pg_get_userbyid(ours.owner))
    FROM ours, object
    -- Not what somebody else has created: such a function would then run with the owner's rights.
    WHERE object.owner <> ours.owner AND object.kind <> 'SCHEMA' AND NOT object.follows
      AND (
          object.owner IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper)
          OR object.owner = ours.installer AND object.name NOT IN (
              'capture', 'capture_by_rules', 'capture_in_statement', 'capture_statement', 'capture_truncate', 'emit', 'image_needs', 'images', 'row_image', 'treated_value')
      )
    UNION ALL
    SELECT 1, 'owner', pg_get_userbyid(owner), NULL FROM ours WHERE owner <> installer
    UNION ALL
    SELECT
        CASE right_of.part WHEN 'capture' THEN 2 WHEN 'partitions' THEN 3 ELSE 4 END,
        right_of.part,
        right_of.role_name,
        format(
            'GRANT %s ON %s TO %I;',
            string_agg(right_of.privilege, ', ' ORDER BY right_of.privilege), object.quoted, right_of.role_name)
    FROM right_of
    JOIN object USING (kind, name)
    WHERE object.owner IS DISTINCT FROM right_of.role
      AND NOT EXISTS (
          SELECT FROM given
          WHERE given.quoted = object.quoted AND given.grantee = right_of.role AND given.privilege = right_of.privilege
      )
    GROUP BY right_of.part, right_of.role_name, object.quoted
    UNION ALL
    SELECT 3, 'partitions', role_name, NULL FROM entitled
    WHERE part = 'partitions' AND to_regproc('forwarder.capture') IS NULL
    UNION ALL
    SELECT 4, 'runtime', role_name, NULL FROM entitled WHERE part = 'runtime'
    UNION ALL
    SELECT
        5,
        'close',
        grantee.name,
        format(
            'REVOKE %s ON %s FROM %s CASCADE;',
            string_agg(given.privilege, ', ' ORDER BY given.privilege),
            given.quoted,
            CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(grantee.name) END)
    FROM given
    CROSS JOIN ours
    CROSS JOIN LATERAL (SELECT CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(given.grantee)::text END) AS grantee (name)
    -- While migrations are applied ($1 is null then), capture() may be that of an earlier release, which needs more.
    WHERE ($1::text IS NOT NULL OR given.grantee IS DISTINCT FROM ours.capture_owner)
    -- What somebody else has created is not ours to close.
      AND (
          given.owner IN (ours.owner, ours.capture_owner, ours.images_owner) OR pg_has_role(ours.installer, given.owner, 'USAGE')
      )
      AND (
          given.grantee IN (0, coalesce(ours.capture_role, 0), coalesce(ours.images_role, 0))
          OR (given.kind, given.grantee, given.privilege) IN (SELECT kind, grantee, privilege FROM default_given)
              AND (given.kind, given.grantee, given.name, given.privilege) NOT IN (SELECT kind, grantee, name, privilege FROM emitter_right)
      )
      AND NOT EXISTS (
          SELECT FROM right_of
          WHERE right_of.role = given.grantee AND right_of.kind = given.kind AND right_of.name = given.name
            AND right_of.privilege = given.privilege
      )
      AND NOT (given.grantee = 0 AND given.quoted IN (SELECT quoted FROM needed_as_public))
    GROUP BY given.grantee, grantee.name, given.quoted
    UNION ALL
    SELECT DISTINCT 5, 'close', pg_get_userbyid(grantee)::text, NULL FROM default_given WHERE kind IS NOT NULL
    UNION ALL
    SELECT 5, 'close', 'PUBLIC', NULL
    UNION ALL
    SELECT 6, 'clear', alien.role_name, alien.statement FROM alien
)
SELECT part, role_name::text AS role, statement
FROM due
ORDER BY place, role_name, statement NULLS FIRST
