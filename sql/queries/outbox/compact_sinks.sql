-- Rewrites forwarder.sink if it takes more than $1 pages. Returns whether it did.
SELECT forwarder.compact_sinks($1)
