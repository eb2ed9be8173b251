-- The one place that reads a floor: a seq below which no transaction has any that a later snapshot counts as not yet begun.
--   * The sequence is read first, and then this transaction is given its id. A snapshot that is taken after its end has an xmax above
--     that id: what it counts as not yet begun got its id, and then its seqs, after the reading.
--   * So a transaction that has an id already, since it has written something, is refused: another one may have been given the next id
--     and have drawn its seqs meanwhile. It would be below the floor, and its changes would be passed over for ever.
--   * The function asked for the sequence takes the lock that nextval holds: while nextval writes WAL, every 32 values, its row shows a
--     value that is drawn only 32 values later.
CREATE FUNCTION forwarder.read_floor() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    floor_seq bigint;
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE 'a floor is read before anything is written, and this transaction has an id already'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    floor_seq := coalesce(pg_sequence_last_value('forwarder.outbox_seq'), 0);
    PERFORM pg_current_xact_id();
    RETURN floor_seq;
END
$$;
