-- Dead letters of very large transactions, and replays that take many small transactions.

-- Of a very large transaction only the last change says how many there are: a letter says what its record said.
ALTER TABLE forwarder.dead_letter ALTER COLUMN tx_count DROP NOT NULL;

-- The `forwarder replay --table` of a sink that is not done yet: one that was interrupted goes on here, and sends nothing twice.
CREATE TABLE forwarder.replay (
    sink              text        NOT NULL,
    -- What the command was asked for, in its own words: who asks for the same goes on.
    asked_for         text        NOT NULL,
    table_ids         integer[]   NOT NULL,
    first_seq         bigint      NOT NULL,
    first_at          timestamptz NOT NULL,
    -- Every change of these tables below it was looked at.
    next_seq          bigint      NOT NULL,
    -- Nothing that was delivered when it began has a higher seq.
    last_seq          bigint      NOT NULL,
    -- So many changes are among the dead letters to be sent again, or were.
    changes           bigint      NOT NULL DEFAULT 0,
    -- Whether some were dropped from the outbox before it came to them.
    is_short          boolean     NOT NULL DEFAULT false,
    begun_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The sink's position when it began, as in forwarder.sink: what that says is delivered is sent again. And where it means something.
    delivered         pg_snapshot NOT NULL,
    floor_seq         bigint      NOT NULL,
    batch             pg_snapshot,
    batch_floor_seq   bigint,
    batch_last_seq    bigint,
    system_identifier bigint      NOT NULL,
    database_oid      oid         NOT NULL,
    CONSTRAINT replay_pkey PRIMARY KEY (sink)
);
