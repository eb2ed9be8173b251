-- The histories that this database has gone through. A promoted replica and a restore to a point in time keep the cluster's identifier and
-- begin a new timeline; a dump is restored into another cluster. Each has forgotten what came after some moment, but streams may have it.
CREATE TABLE forwarder.history (
    number            integer     NOT NULL,
    system_identifier bigint      NOT NULL,
    timeline          bigint      NOT NULL,
    -- Up to this seq at least, seqs name the same changes as in the history before: they were delivered before the two parted.
    shared_to_seq     bigint      NOT NULL,
    -- From this seq on, none was drawn in the history before. Those in between may have been drawn in both, for different changes.
    own_from_seq      bigint      NOT NULL,
    noticed_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT history_pkey PRIMARY KEY (number)
);

-- Notices that the database is in another history than the one known last, and goes on with higher seqs. Returns its row if so; the first
-- of all is only remembered.
--   * Seqs skip 2^36: more than were drawn in what is forgotten, be it 35 days of 20,000 changes a second. A consumer reads them
--     exactly from JSON after a hundred thousand histories. They go on in another leaf, so that the one in use is closed.
--   * One at a time, or the later of two setvals might set the sequence back behind what writers have drawn since the first.
--   * A sequence below what a sink has delivered was not copied with the rows. Then no seq tells what it has delivered.
CREATE FUNCTION forwarder.enter_history(cluster bigint, line bigint) RETURNS SETOF forwarder.history
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known forwarder.history;
    drawn_seq bigint;
    from_seq bigint;
BEGIN
    LOCK TABLE forwarder.history IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO known FROM forwarder.history ORDER BY number DESC LIMIT 1;
    IF known.system_identifier = cluster AND known.timeline = line THEN
        RETURN;
    END IF;
    SELECT last_value INTO drawn_seq FROM forwarder.outbox_seq;
    UPDATE forwarder.sink SET last_seq = 0 WHERE last_seq > drawn_seq;
    IF known.number IS NULL THEN
        INSERT INTO forwarder.history VALUES (1, cluster, line, 0, 1);
        RETURN;
    END IF;
    from_seq := (drawn_seq / forwarder.leaf_events() + 1) * forwarder.leaf_events() + (1::bigint << 36);
    PERFORM setval('forwarder.outbox_seq', from_seq - 1);
    RETURN QUERY
        INSERT INTO forwarder.history
        SELECT known.number + 1, cluster, line, coalesce(max(sink.last_seq), 0), from_seq
        FROM forwarder.sink AS sink
        RETURNING *;
END
$$;
