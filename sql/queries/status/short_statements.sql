-- In the transaction that reads the status: nobody waits for it for long, and it holds back vacuum for no longer than that.
SELECT set_config('statement_timeout', '5s', true), set_config('lock_timeout', '1s', true)
