-- The number of the server process that answers. A session has one process for as long as it lives.
SELECT pg_backend_pid()
