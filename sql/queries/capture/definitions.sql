-- Each function in schema forwarder as PostgreSQL has it: forwarder.capture.function_definitions.Function says what is in a row. Of several with
-- one name, the one that belongs to the owner of the schema is returned, else the oldest.
SELECT DISTINCT ON (proc.proname)
    proc.proname AS name,
    language.lanname AS language,
    CASE proc.provolatile WHEN 'v' THEN 'VOLATILE' WHEN 's' THEN 'STABLE' ELSE 'IMMUTABLE' END AS volatility,
    proc.prosecdef AS is_definer,
    proc.proisstrict AS is_strict,
    coalesce(proc.proconfig, '{}') AS settings,
    proc.prosrc AS body
FROM pg_catalog.pg_proc AS proc
JOIN pg_catalog.pg_language AS language ON language.oid = proc.prolang
WHERE proc.pronamespace = to_regnamespace('forwarder')
ORDER BY proc.proname, proc.proowner = (SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass('forwarder.migration')) DESC, proc.oid
