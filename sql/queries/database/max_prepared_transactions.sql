-- How many prepared transactions the server keeps; 0: PREPARE TRANSACTION is refused. Changes with a restart only.
SELECT current_setting('max_prepared_transactions')::integer
