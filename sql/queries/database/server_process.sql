-- The server's process that answers; its number is that of the session, as long as it lasts.
SELECT pg_backend_pid()
