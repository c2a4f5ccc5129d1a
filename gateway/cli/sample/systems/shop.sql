-- The demo's shop: a schema of its own, and a role that may read two views and nothing else. `weather` is where faults are injected: whoever reads
-- a view waits as long as it says, and fails as often as it says.

DROP SCHEMA IF EXISTS demo_shop CASCADE;
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'demo_shop_reader') THEN CREATE ROLE demo_shop_reader LOGIN; END IF;
END $$;
CREATE SCHEMA demo_shop;

CREATE TABLE demo_shop.placed_order (
  order_id text PRIMARY KEY,
  customer text NOT NULL,
  placed_at timestamptz NOT NULL,
  status text NOT NULL,
  total numeric(10, 2) NOT NULL,
  product text NOT NULL,
  quantity int NOT NULL
);
CREATE INDEX ON demo_shop.placed_order (customer, placed_at);

CREATE TABLE demo_shop.weather (latency float8 NOT NULL DEFAULT 0, errors float8 NOT NULL DEFAULT 0);
INSERT INTO demo_shop.weather DEFAULT VALUES;

CREATE FUNCTION demo_shop.endure() RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = demo_shop AS $$
DECLARE now_ demo_shop.weather;
BEGIN
  SELECT * INTO now_ FROM demo_shop.weather;
  IF now_.latency > 0 THEN PERFORM pg_catalog.pg_sleep(now_.latency); END IF;
  IF pg_catalog.random() < now_.errors THEN RAISE EXCEPTION 'the shop is out of order' USING ERRCODE = 'cannot_connect_now'; END IF;
  RETURN true;
END $$;

CREATE VIEW demo_shop.orders AS SELECT o.* FROM demo_shop.endure(), demo_shop.placed_order o;
CREATE VIEW demo_shop.customers AS
  SELECT o.customer, sum(o.total) FILTER (WHERE o.status <> 'returned') AS lifetime_value, count(*) AS orders, max(o.placed_at) AS last_order_at
  FROM demo_shop.endure(), demo_shop.placed_order o GROUP BY o.customer;

GRANT USAGE ON SCHEMA demo_shop TO demo_shop_reader;
GRANT SELECT ON demo_shop.orders, demo_shop.customers TO demo_shop_reader;
