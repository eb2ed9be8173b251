-- $2 lines of order $1.
INSERT INTO shop.order_lines (order_id, line, product, price)
SELECT $1, line, 'Product ' || line, 4.95 * line
FROM generate_series(1, $2::integer) AS line
RETURNING 'order_lines' AS table_name, 'insert' AS operation, ARRAY[order_id, line] AS key, version
