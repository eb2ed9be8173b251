-- The name of the database of this session; legible also where its bytes are no UTF-8.
SELECT forwarder.legible(current_database()::text)
