-- A sink that was removed and made anew has the name of the one before, and nothing else of it.

-- When the sink was made that has delivered this. Null where the release before has written the row first: then it is not used.
ALTER TABLE forwarder.ahead ADD COLUMN sink_created_at timestamptz;
