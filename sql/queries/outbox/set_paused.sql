-- Pauses or resumes the capture of every table; the tables for which that was a change.
SELECT forwarder.set_paused($1)
