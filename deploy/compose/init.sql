-- Two tables to capture, and the owner that the forwarder connects as: no superuser, as on RDS.
CREATE ROLE app_owner LOGIN PASSWORD 'development' NOSUPERUSER NOCREATEDB NOCREATEROLE;
ALTER DATABASE app OWNER TO app_owner;
-- What the trigger function runs as; app_owner may not make roles by itself.
CREATE ROLE forwarder_capture NOLOGIN;
GRANT forwarder_capture TO app_owner;

SET ROLE app_owner;

CREATE TABLE public.customer (
    id    bigint GENERATED ALWAYS AS IDENTITY,
    name  text NOT NULL,
    email text NOT NULL,
    CONSTRAINT customer_pkey PRIMARY KEY (id)
);

CREATE TABLE public.orders (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint         NOT NULL,
    status      text           NOT NULL DEFAULT 'open',
    total       numeric(12, 2) NOT NULL,
    created_at  timestamptz    NOT NULL DEFAULT now(),
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customer (id)
);

-- These rows are older than the triggers, so they are not in the stream; a change of one of them is.
INSERT INTO public.customer (name, email) VALUES ('Ada', 'ada@example.com'), ('Grace', 'grace@example.com');
INSERT INTO public.orders (customer_id, total) VALUES (1, 12.50), (2, 99.00);
