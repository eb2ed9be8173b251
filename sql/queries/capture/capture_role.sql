-- What is known of the role that forwarder.capture() or forwarder.images() should belong to, as a JSON object: forwarder.capture.role.CaptureRole
-- says what is in it.
--   $1 the name of the role of capture(), null: the one that owns capture() now; $2 which role: `capture`, or `images`, whose name is that of
--   the other one with _images behind it
WITH ours AS (
    SELECT
        current_setting('server_version_num')::integer >= 160000 AS says_what,
        installer.oid AS installer,
        installer.rolsuper AS is_super,
        installer.rolcreaterole AS creates_roles,
        to_regnamespace('forwarder')::oid AS schema,
        coalesce(
            (SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass('forwarder.migration')), installer.oid
        ) AS owner,
        (SELECT proowner FROM pg_catalog.pg_proc WHERE oid = to_regproc('forwarder.' || $2)) AS function_owner,
        coalesce(
            $1::text, (SELECT pg_get_userbyid(proowner)::text FROM pg_catalog.pg_proc WHERE oid = to_regproc('forwarder.capture'))
        ) || CASE $2 WHEN 'images' THEN '_images' ELSE '' END AS name
    FROM pg_catalog.pg_roles AS installer
    WHERE installer.rolname = current_user
),
-- No row if there is no such role.
role AS (
    SELECT role.*
    FROM pg_catalog.pg_roles AS role, ours
    WHERE role.rolname = ours.name
)
SELECT json_build_object(
    'function', $2,
    'name', coalesce(quote_ident(ours.name), ''),
    'owner', quote_ident(pg_get_userbyid(ours.owner)),
    'holder', quote_ident(pg_get_userbyid(coalesce(ours.function_owner, ours.owner))),
    'exists', role.oid IS NOT NULL,
    -- Whoever has capture() should have the others that fill the outbox too.
    'has_function', coalesce(role.oid = ours.function_owner, false) AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_proc AS proc
        WHERE $2 = 'capture' AND proc.pronamespace = ours.schema AND proc.proowner <> role.oid
            AND proc.proname IN ('capture_by_rules', 'capture_in_statement', 'capture_statement', 'capture_truncate', 'emit', 'image_needs', 'row_image', 'treated_value')
    ),
    'says_what', ours.says_what,
    -- Whether it can do all that the owner can, so that the function would run with no fewer rights.
    'is_unfit', role.oid IS NOT NULL AND (role.rolsuper OR pg_has_role(role.oid, ours.owner, 'MEMBER')),
    'is_inherited', role.oid IS NOT NULL
        AND pg_has_role(ours.owner, role.oid, 'USAGE')
        AND pg_has_role(ours.owner, role.oid, CASE WHEN ours.says_what THEN 'SET' ELSE 'MEMBER' END),
    'owner_inherits', ours.says_what OR (SELECT rolinherit OR rolsuper FROM pg_catalog.pg_roles WHERE oid = ours.owner),
    'can_create', ours.is_super OR ours.creates_roles,
    -- Since PostgreSQL 16, CREATEROLE does not suffice to grant a role that somebody else has created.
    'can_grant', ours.is_super OR CASE
        WHEN role.oid IS NULL THEN ours.creates_roles
        WHEN pg_has_role(ours.installer, role.oid, 'MEMBER WITH ADMIN OPTION') THEN true
        ELSE ours.creates_roles AND NOT ours.says_what
    END,
    'can_drop', ours.is_super OR ours.creates_roles AND (
        NOT ours.says_what OR role.oid IS NOT NULL AND pg_has_role(ours.installer, role.oid, 'MEMBER WITH ADMIN OPTION')
    ),
    'attributes', array_remove(ARRAY[
        CASE WHEN role.rolsuper THEN 'SUPERUSER' END,
        CASE WHEN role.rolcanlogin THEN 'LOGIN' END,
        CASE WHEN role.rolcreatedb THEN 'CREATEDB' END,
        CASE WHEN role.rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN role.rolreplication THEN 'REPLICATION' END,
        CASE WHEN role.rolbypassrls THEN 'BYPASSRLS' END
    ], NULL),
    'member_of', (
        SELECT coalesce(json_agg(quote_ident(pg_get_userbyid(membership.roleid)) ORDER BY 1), '[]')
        FROM (SELECT roleid FROM pg_catalog.pg_auth_members WHERE member = role.oid) AS membership
    ),
    -- Before PostgreSQL 16, every membership is inherited or may be set.
    'members', (
        SELECT coalesce(json_agg(DISTINCT quote_ident(member.rolname)), '[]')
        FROM pg_catalog.pg_auth_members AS membership
        JOIN pg_catalog.pg_roles AS member ON member.oid = membership.member
        WHERE membership.roleid = role.oid AND membership.member <> ours.owner AND NOT member.rolsuper
          AND (
              coalesce((to_jsonb(membership) ->> 'inherit_option')::boolean, true)
              OR coalesce((to_jsonb(membership) ->> 'set_option')::boolean, true)
          )
    ),
    -- What it owns or was granted that is not ours. Of other databases only what it owns is told, and functions are not: one there is ours.
    'holdings', (
        -- An object that is being dropped has no name any more.
        SELECT coalesce(json_agg(holding.name ORDER BY holding.name) FILTER (WHERE holding.name IS NOT NULL), '[]')
        FROM (
            SELECT CASE
                WHEN link.dbid IN (0, here.oid) THEN pg_describe_object(link.classid, link.objid, link.objsubid)
                ELSE format('objects in database %I', (SELECT datname FROM pg_catalog.pg_database WHERE oid = link.dbid))
            END AS name
            FROM pg_catalog.pg_shdepend AS link,
                (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) AS here
            WHERE link.refclassid = 'pg_catalog.pg_authid'::regclass AND link.refobjid = role.oid
              AND link.classid <> 'pg_catalog.pg_auth_members'::regclass
              AND CASE
                  WHEN link.dbid NOT IN (0, here.oid)
                  THEN link.deptype = 'o' AND link.classid <> 'pg_catalog.pg_proc'::regclass
                  WHEN link.classid = 'pg_catalog.pg_namespace'::regclass THEN link.objid <> ours.schema
                  WHEN link.classid = 'pg_catalog.pg_class'::regclass
                  THEN link.objid NOT IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = ours.schema)
                  WHEN link.classid = 'pg_catalog.pg_proc'::regclass
                  THEN link.objid NOT IN (SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = ours.schema)
                  ELSE true
              END
            LIMIT 5
        ) AS holding
    ),
    'is_used_elsewhere', EXISTS (
        SELECT FROM pg_catalog.pg_shdepend AS link
        WHERE link.refclassid = 'pg_catalog.pg_authid'::regclass AND link.refobjid = role.oid
          AND link.dbid NOT IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    )
)::text
FROM ours LEFT JOIN role ON true
