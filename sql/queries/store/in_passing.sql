-- In a transaction that delivery does not need: it gives way instead of waiting, and what it asks for is soon answered or given up.
SELECT set_config('lock_timeout', '100ms', true), set_config('statement_timeout', '2s', true)
