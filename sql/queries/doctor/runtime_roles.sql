-- Of these roles ($1), those whose rights the role of this session has.
SELECT listed.name
FROM unnest($1::text[]) AS listed (name)
JOIN pg_catalog.pg_roles AS role ON role.rolname = listed.name
WHERE pg_has_role(role.oid, 'USAGE')
