-- Since when a sink exists, and who may move its position.
ALTER TABLE forwarder.sink
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now(),
    -- Rises with every new leader and every replay. A leader saves only while it is the one that it has seen: who was frozen and
    -- has been replaced meanwhile, or whose sink was set back, is told so instead.
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
