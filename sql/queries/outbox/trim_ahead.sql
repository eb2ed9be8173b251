-- Empties forwarder.ahead, which has what sinks have delivered beyond their positions, if it takes more than $1 pages. Returns whether it did.
SELECT forwarder.trim_ahead($1)
