-- placeholder until the branch of context is merged
ALTER TABLE forwarder.outbox ADD COLUMN context text, ADD COLUMN extra text;
ALTER TABLE forwarder.outbox ALTER COLUMN context SET DEFAULT current_setting('forwarder.context', true);
