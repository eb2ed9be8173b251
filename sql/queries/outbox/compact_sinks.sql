-- Rewrites forwarder.sink if it takes more than $1 pages; whether it did.
SELECT forwarder.compact_sinks($1)
