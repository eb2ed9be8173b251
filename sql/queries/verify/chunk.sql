-- The next rows of a table in the order of its key, each with its key as texts and its image.
-- In braces: the table; what makes the image of a row; the key as texts; the key; a condition on NEW; and whether a row comes after $2, $3, …
--   $1 how many rows at most; $2 and further: the key of the last row of the chunk before, as texts
SELECT ARRAY[{key_texts}] AS key, {image} AS image
FROM {table} AS new
WHERE {condition} AND {after}
ORDER BY {key}
LIMIT $1
