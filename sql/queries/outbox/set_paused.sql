-- Pauses ($1 true) or resumes the capture of every table. Returns the tables for which that was a change.
SELECT forwarder.set_paused($1)
