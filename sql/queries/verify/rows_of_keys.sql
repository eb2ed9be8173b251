-- Of each key its image, and the image of the row that has it, null if there is none.
-- In braces: the table; what makes the images of a row and of a key; names for the values of the key; these values as parameters; and what makes a row that of a key.
--   $1 and further: of all keys the first values, the second ones and so on, as texts
SELECT
    {key_image} AS key,
    CASE WHEN new.tableoid IS NOT NULL THEN {image} END AS image
FROM unnest({parameters}) WITH ORDINALITY AS wanted ({values}, place)
LEFT JOIN {table} AS new ON {is_same} AND {condition}
ORDER BY wanted.place
