CREATE SCHEMA copies;
CREATE TABLE copies.customers (customer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "full ""name""" text,
  email text, phone varchar(40), vip boolean NOT NULL, born date, referrer bigint REFERENCES copies.customers,
  tags text[], profile jsonb, gone timestamptz, loaded_by text DEFAULT 'loader');
CREATE TABLE copies.orders (order_id text PRIMARY KEY, customer bigint NOT NULL REFERENCES copies.customers,
  "State" varchar(20), note text, total numeric(14,4), weight double precision, placed timestamp(0), due timestamp,
  photo bytea, seen int DEFAULT 7 NOT NULL, net numeric GENERATED ALWAYS AS (total / 2) STORED);
CREATE TABLE copies."Order Lines" (order_id uuid, line_no int, sku char(6), price real,
  kind text NOT NULL, PRIMARY KEY (order_id, line_no, kind));
INSERT INTO copies.customers OVERRIDING SYSTEM VALUE VALUES
  (1, 'Ada O''Neill', 'ada-canary-7f3a@example.org', '****************11', true, '1980-02-29', NULL, '{a,b}',
   '{"level":1}', NULL),
  (2, 'back\slash "quoted"', 'ben-canary-7f3a@example.org', '****************22', false, '1990-01-01', 1, '{}', '{}',
   NULL),
  (5, 'eve', 'eve-canary-7f3a@example.org', NULL, false, '1999-09-09', NULL, '{z}', '{"n":null}', NULL),
  (3, 'Zoë ☃ 你好', 'cem-canary-7f3a@example.org', '****************33', true, NULL, 5, '{"x,y","\"{}"}', '{"a":[1.5]}',
   NULL),
  (4, 'dana', NULL, '****************44', false, '2000-12-31', NULL, NULL, NULL, NULL),
  (6, ' finn ', 'finn-canary-7f3a@example.org', '****************66', true, '1999-09-09', NULL, '{z}', '{"n":1}', NULL),
  (90, 'gone', 'gone-canary-7f3a@example.org', NULL, true, NULL, NULL, NULL, NULL, NULL),
  (91, 'nobody', 'gone-canary-7f3a@example.org', NULL, true, NULL, NULL, NULL, NULL, NULL);
UPDATE copies.customers SET loaded_by = 'somebody' WHERE customer_id = 2;
INSERT INTO copies.orders VALUES
  ('AAAAAAAA-0000-4000-8000-000000000001', 1, 'shipped', E'it\'s "new"; -- \\n not a line', 19.90, 1.5,
   '2026-01-31 09:00:00', '2026-02-01 09:00:00', '\x00ff27'),
  ('AAAAAAAA-0000-4000-8000-000000000002', 2, 'paid', E'two\nlines\t\u202e\\', 119.90, 0.1, '2026-07-01 01:30:00', NULL,
   NULL),
  ('AAAAAAAA-0000-4000-8000-000000000003', 3, 'paid', '', -7.50, NULL, '2026-01-31 10:30:00',
   '2026-02-01 09:00:00.5', '\x'),
  ('AAAAAAAA-0000-4000-8000-000000000004', 5, 'placed', NULL, 64, 1e300, '2026-01-31 11:10:00', NULL, '\xdeadbeef'),
  ('AAAAAAAA-0000-4000-8000-000000000005', 3, 'paid', ':name :''x'' @y $1 %s ?', 0.01, -2.0, '2026-01-31 12:45:00',
   '2026-02-01 09:00:00', '\x00'),
  ('AAAAAAAA-0000-4000-8000-000000000006', 6, 'done', 'plain', 1.004, 3, '2026-01-31 13:00:00', NULL, NULL);
INSERT INTO copies."Order Lines" VALUES
  ('aaaaaaaa-0000-4000-8000-000000000001', 1, 'S1', 10, 'line'), ('aaaaaaaa-0000-4000-8000-000000000001', 1, 'S1', 10, 'tip'),
  ('aaaaaaaa-0000-4000-8000-000000000001', 2, 's1', 9.9, 'line'), ('aaaaaaaa-0000-4000-8000-000000000002', 1, 'S2', 119.9, 'line'),
  ('aaaaaaaa-0000-4000-8000-000000000005', 1, 'S3', 0.01, 'line');
