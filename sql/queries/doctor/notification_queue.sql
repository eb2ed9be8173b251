-- Which part of the queue of notifications is in use, from 0 to 1. When it is full, transactions that notify fail.
SELECT pg_notification_queue_usage()
