-- When a sink's position ($1) was saved last, and in which epoch; no row if there is no such sink.
SELECT epoch, updated_at AS saved_at FROM forwarder.sink WHERE name = $1
