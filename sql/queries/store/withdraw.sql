-- Removes the row of a process that ends.
--   $1 its id
DELETE FROM forwarder.listener WHERE id = $1
