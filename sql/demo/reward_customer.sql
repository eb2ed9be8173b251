-- Customer $1 gains a point.
UPDATE shop.customers
SET points = points + 1, version = version + 1
WHERE id = $1
RETURNING 'customers' AS table_name, 'update' AS operation, ARRAY[id] AS key, version
