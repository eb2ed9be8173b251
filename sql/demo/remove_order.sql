-- Order $1 goes. A deletion is the change after the row's last version.
DELETE FROM shop.orders
WHERE id = $1
RETURNING 'orders' AS table_name, 'delete' AS operation, ARRAY[id] AS key, version + 1 AS version
