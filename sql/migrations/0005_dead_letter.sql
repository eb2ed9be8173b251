-- Changes that a sink could not be given, or refused for good, kept until somebody retries or discards them.

-- Written in the transaction that saves the position which passes them, so none is passed without being here. The images are
-- copies: the outbox drops its own after the retention.
CREATE TABLE forwarder.dead_letter (
    sink          text        NOT NULL,
    seq           bigint      NOT NULL,
    txid          xid8        NOT NULL,
    at            timestamptz NOT NULL,
    table_id      integer     NOT NULL,
    relation      oid         NOT NULL,
    op            "char"      NOT NULL,
    before        text,
    after         text,
    fault         text,
    -- Which of how many changes of its transaction.
    tx_index      integer     NOT NULL,
    tx_count      integer     NOT NULL,
    partition_key text        NOT NULL,
    -- Bytes of the record that was refused, data and partition key together.
    record_bytes  bigint      NOT NULL,
    -- `oversize`, or the sink's error code; the reason in words may quote the record.
    code          text        NOT NULL,
    reason        text        NOT NULL,
    attempts      integer     NOT NULL DEFAULT 1,
    set_aside_at  timestamptz NOT NULL DEFAULT now(),
    -- Since when it waits for `forwarder listen` to send it again.
    retry_at      timestamptz,
    CONSTRAINT dead_letter_pkey PRIMARY KEY (sink, seq)
);
CREATE INDEX dead_letter_retry_idx ON forwarder.dead_letter (sink, seq) WHERE retry_at IS NOT NULL;
