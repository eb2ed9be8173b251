-- The first $1 customers.
INSERT INTO shop.customers (id, name)
SELECT number, 'Customer ' || number
FROM generate_series(1, $1::bigint) AS number
RETURNING 'customers' AS table_name, 'insert' AS operation, ARRAY[id] AS key, version
