-- The columns of a table with their types as SQL; the schema where the operators of a type are, if they are not PostgreSQL's own; and whether to make text
-- of its values, or values of text, would run somebody's code: a cast by a function that belongs neither to a superuser nor to the table's owner.
--   * Only who is a superuser makes a base type. Anybody makes an enum, and operators for it, which would be found before PostgreSQL's.
--   $1 the oid of the table
SELECT
    attribute.attnum,
    format_type(attribute.atttypid, attribute.atttypmod) AS type,
    CASE WHEN base.typtype = 'b' THEN quote_ident(namespace.nspname) ELSE 'pg_catalog' END AS schema,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_cast AS made
        JOIN pg_catalog.pg_proc AS proc ON proc.oid = made.castfunc
        JOIN pg_catalog.pg_roles AS owner ON owner.oid = proc.proowner
        WHERE (made.castsource, made.casttarget) IN ((attribute.atttypid, 'text'::regtype), ('text'::regtype, attribute.atttypid))
          AND NOT owner.rolsuper AND owner.oid <> class.relowner
    ) AS is_strange
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
JOIN pg_catalog.pg_type AS base ON base.oid = CASE WHEN type.typtype = 'd' THEN type.typbasetype ELSE type.oid END
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = base.typnamespace
WHERE class.oid = $1 AND attribute.attnum > 0 AND NOT attribute.attisdropped
