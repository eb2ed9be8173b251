-- One table of 10,000 rows, each some 300 bytes as JSON. It is created once in each schema that a bench compares.
CREATE TABLE item (
    id         integer PRIMARY KEY,
    -- Which client wrote the row last, and which of that client's writes it was.
    sender     integer NOT NULL,
    sent       integer NOT NULL,
    price      numeric(12, 2) NOT NULL,
    currency   text NOT NULL,
    created_at timestamptz NOT NULL,
    note       text NOT NULL
);
INSERT INTO item
SELECT id, 0, 0, id / 100.0, 'EUR', '2026-01-01 12:00:00+00', repeat('lorem ipsum ', 14)
FROM generate_series(1, 10000) AS id;
