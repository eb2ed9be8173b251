-- Whether the server keeps when each transaction was committed. Changes with a restart only.
SELECT current_setting('track_commit_timestamp') = 'on'
