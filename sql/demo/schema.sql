-- The sample shop of `forwarder demo`. Every row counts its own changes in version: the audit judges their order by it.
CREATE SCHEMA shop;

CREATE TABLE shop.customers (
    id       bigint  NOT NULL,
    name     text    NOT NULL,
    points   integer NOT NULL DEFAULT 0,
    version  integer NOT NULL DEFAULT 1,
    CONSTRAINT customers_pkey PRIMARY KEY (id)
);

CREATE TABLE shop.orders (
    id          bigint      NOT NULL,
    customer_id bigint      NOT NULL,
    status      text        NOT NULL DEFAULT 'placed',
    placed_at   timestamptz NOT NULL DEFAULT now(),
    version     integer     NOT NULL DEFAULT 1,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers (id)
);

CREATE TABLE shop.order_lines (
    order_id bigint         NOT NULL,
    line     integer        NOT NULL,
    product  text           NOT NULL,
    price    numeric(10, 2) NOT NULL,
    version  integer        NOT NULL DEFAULT 1,
    CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, line),
    CONSTRAINT order_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES shop.orders (id)
);
