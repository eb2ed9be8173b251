-- Order $1 of customer $2.
INSERT INTO shop.orders (id, customer_id)
VALUES ($1, $2)
RETURNING 'orders' AS table_name, 'insert' AS operation, ARRAY[id] AS key, version
