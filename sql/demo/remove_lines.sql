-- Every line of order $1 goes. A deletion is the change after the row's last version.
DELETE FROM shop.order_lines
WHERE order_id = $1
RETURNING 'order_lines' AS table_name, 'delete' AS operation, ARRAY[order_id, line] AS key, version + 1 AS version
