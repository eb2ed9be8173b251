-- Empties what sinks have delivered beyond their positions, if that takes more than $1 pages.
SELECT forwarder.trim_ahead($1)
