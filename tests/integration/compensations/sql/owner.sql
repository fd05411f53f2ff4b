CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT, vip INTEGER, born TEXT,
  referrer INTEGER, tags TEXT, profile TEXT);
CREATE TABLE orders (id TEXT PRIMARY KEY, customer_id INTEGER, status TEXT, note TEXT, total TEXT, weight REAL,
  created_at TEXT, due TEXT, photo BLOB);
CREATE TABLE lines (order_id TEXT, line INTEGER, sku TEXT, price TEXT, PRIMARY KEY (order_id, line));
INSERT INTO customers VALUES
  (1, 'Ada O''Neill', 'ada-canary-7f3a@example.org', '030-canary-7f3a-11', 1, '1980-02-29', NULL, '["a","b"]',
   '{"level":1}'),
  (2, 'back\slash "quoted"', 'ben-canary-7f3a@example.org', '030-canary-7f3a-22', 0, '1990-01-01', 1, '[]', '{}'),
  (3, 'Zoë ☃ 你好', 'cem-canary-7f3a@example.org', '030-canary-7f3a-33', 1, NULL, 5, '["x,y","\"{}"]', '{"a":[1.5]}'),
  (4, 'dana', NULL, '030-canary-7f3a-44', 0, '2000-12-31', NULL, NULL, NULL),
  (5, 'eve', 'eve-canary-7f3a@example.org', NULL, 0, '1999-09-09', NULL, '["z"]', '{"n":null}'),
  (6, 'finn', 'finn-canary-7f3a@example.org', '030-canary-7f3a-66', 1, '1999-09-09', NULL, '["z"]', '{"n":1}');
INSERT INTO orders VALUES
  ('aaaaaaaa-0000-4000-8000-000000000001', 1, 'shipped', 'it''s "new"; -- \n not a line', '19.90', 1.5,
   '2026-01-31T08:00:00.125000Z', '2026-02-01T09:00:00', X'00FF27'),
  ('aaaaaaaa-0000-4000-8000-000000000002', 2, 'paid', 'two' || char(10) || 'lines' || char(9, 8238) || '\', '119.90', 0.1,
   '2026-06-30T23:30:00.250000Z', NULL, NULL),
  ('aaaaaaaa-0000-4000-8000-000000000003', 3, 'paid', '', '-7.50', NULL, '2026-01-31T09:30:00.375000Z',
   '2026-02-01T09:00:00.5', X''),
  ('aaaaaaaa-0000-4000-8000-000000000004', 5, 'placed', NULL, '64.00', 1e300, '2026-01-31T10:10:00.500000Z', NULL,
   X'DEADBEEF'),
  ('aaaaaaaa-0000-4000-8000-000000000005', 3, 'paid', ':name :''x'' @y $1 %s ?', '0.01', -2.0,
   '2026-01-31T11:45:00.625000Z', '2026-02-01T09:00:00', X'00'),
  ('aaaaaaaa-0000-4000-8000-000000000006', 6, 'done', 'plain', '1.00', 3.0, '2026-01-31T12:00:00Z', NULL, NULL);
INSERT INTO lines VALUES
  ('aaaaaaaa-0000-4000-8000-000000000001', 1, 'S1', '10.00'), ('aaaaaaaa-0000-4000-8000-000000000001', 2, 's1', '9.90'),
  ('aaaaaaaa-0000-4000-8000-000000000002', 1, 'S2', '119.90'), ('aaaaaaaa-0000-4000-8000-000000000005', 1, 'S3', '0.01');
