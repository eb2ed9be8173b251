-- The running listeners, as `forwarder status` and the dashboard show them. Delivery does not look at it: who leads is a matter of the locks.

-- Each process writes its row every few seconds, and whenever something has changed. A row that is not written any more is of a process that was
-- killed, or has lost the database. Not logged: after a crash of the server, or on a replica that was promoted, the table is empty, and is filled
-- anew within seconds; and no WAL is spent on what is out of date a moment later.
CREATE UNLOGGED TABLE forwarder.listener (
    -- Drawn by the process when it starts.
    id            text        NOT NULL,
    host          text        NOT NULL,
    pid           integer     NOT NULL,
    version       text        NOT NULL,
    started_at    timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What it says of itself, as forwarder/store/listeners.py writes it: its sinks, what is wrong with each, and the figures of those that it leads.
    -- Not jsonb, which takes no character that the encoding of the database lacks, nor U+0000, not even as an escape.
    says          json        NOT NULL,
    CONSTRAINT listener_pkey PRIMARY KEY (id)
-- Each page has room for the next version of its rows, and no index is on what changes.
) WITH (fillfactor = 40);
