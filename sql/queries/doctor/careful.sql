-- A session that only looks: it writes nothing, and gives up soon where the database is busy or something is locked.
SET default_transaction_read_only = on;
SET statement_timeout = '5s';
SET lock_timeout = '500ms';
