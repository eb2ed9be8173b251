-- Every line of order $1 becomes cheaper.
UPDATE shop.order_lines
SET price = price * 0.9, version = version + 1
WHERE order_id = $1
RETURNING 'order_lines' AS table_name, 'update' AS operation, ARRAY[order_id, line] AS key, version
