-- Order $1 takes its next step, if it is still there. Locks the order, so it comes before its lines are touched.
UPDATE shop.orders
SET
    status = CASE status WHEN 'placed' THEN 'paid' WHEN 'paid' THEN 'packed' ELSE 'shipped' END,
    version = version + 1
WHERE id = $1
RETURNING 'orders' AS table_name, 'update' AS operation, ARRAY[id] AS key, version
