-- Has images written as forwarder.images() has them, whatever the database or the role has set; and finds the operators of keys.
--   $1 the path: pg_catalog, and behind it the schemas of types that are not PostgreSQL's own
SELECT
    set_config('search_path', $1, false),
    set_config('bytea_output', 'hex', false),
    set_config('extra_float_digits', '1', false),
    set_config('intervalstyle', 'postgres', false),
    set_config('lc_monetary', 'C', false)
