CREATE TABLE customers (customer_id BIGINT PRIMARY KEY, `full "name"` VARCHAR(80), email TEXT, phone VARCHAR(40),
  vip TINYINT(1) NOT NULL, born DATE, referrer BIGINT, tags JSON, profile JSON, gone DATETIME,
  loaded_by VARCHAR(20) DEFAULT 'loader', FOREIGN KEY (referrer) REFERENCES customers (customer_id)) CHARSET utf8mb4;
CREATE TABLE orders (order_id CHAR(36) CHARACTER SET utf8mb4 PRIMARY KEY, customer BIGINT NOT NULL, `State`
  ENUM('placed','paid','shipped','done'), note TEXT, total DECIMAL(14,4), weight DOUBLE, placed DATETIME, due DATETIME(6),
  photo VARBINARY(20), seen INT NOT NULL DEFAULT 7, net DECIMAL(14,4) AS (total / 2) STORED,
  FOREIGN KEY (customer) REFERENCES customers (customer_id)) CHARSET utf8mb4;
CREATE TABLE `Order Lines` (order_id BINARY(16), line_no INT UNSIGNED, sku VARCHAR(6), price FLOAT, kind VARCHAR(9) NOT NULL,
  PRIMARY KEY (order_id, line_no, kind)) CHARSET utf8mb4;
INSERT INTO customers (customer_id, `full "name"`, email, phone, vip, born, referrer, tags, profile) VALUES
  (1, 'Ada O''Neill', 'ada-canary-7f3a@example.org', '****************11', 1, '1980-02-29', NULL, '["a","b"]',
   '{"level":1}'),
  (2, 'back\\slash "quoted"', 'ben-canary-7f3a@example.org', '****************22', 0, '1990-01-01', 1, '[]', '{}'),
  (5, 'eve', 'eve-canary-7f3a@example.org', NULL, 0, '1999-09-09', NULL, '["z"]', '{"n":null}'),
  (3, 'Zoë ☃ 你好', 'cem-canary-7f3a@example.org', '****************33', 1, NULL, 5, '["x,y","\\"{}"]', '{"a":[1.5]}'),
  (4, 'dana', NULL, '****************44', 0, '2000-12-31', NULL, NULL, NULL),
  (6, ' finn ', 'finn-canary-7f3a@example.org', '****************66', 1, '1999-09-09', NULL, '["z"]', '{"n":1}'),
  (90, 'gone', 'gone-canary-7f3a@example.org', NULL, 1, NULL, NULL, NULL, NULL),
  (91, 'nobody', 'gone-canary-7f3a@example.org', NULL, 1, NULL, NULL, NULL, NULL);
UPDATE customers SET loaded_by = 'somebody' WHERE customer_id = 2;
INSERT INTO orders (order_id, customer, `State`, note, total, weight, placed, due, photo) VALUES
  ('AAAAAAAA-0000-4000-8000-000000000001', 1, 'shipped', 'it''s "new"; -- \\n not a line', 19.90, 1.5,
   '2026-01-31 09:00:00', '2026-02-01 09:00:00', X'00ff27'),
  ('AAAAAAAA-0000-4000-8000-000000000002', 2, 'paid', CONCAT('two\nlines\t', CONVERT(X'E280AE' USING utf8mb4), '\\'), 119.90,
   0.1, '2026-07-01 01:30:00', NULL, NULL),
  ('AAAAAAAA-0000-4000-8000-000000000003', 3, 'paid', '', -7.50, NULL, '2026-01-31 10:30:00', '2026-02-01 09:00:00.5', ''),
  ('AAAAAAAA-0000-4000-8000-000000000004', 5, 'placed', NULL, 64, 1e300, '2026-01-31 11:10:00', NULL, X'deadbeef'),
  ('AAAAAAAA-0000-4000-8000-000000000005', 3, 'paid', ':name :''x'' @y $1 %s ?', 0.01, -2.0, '2026-01-31 12:45:00',
   '2026-02-01 09:00:00', X'00'),
  ('AAAAAAAA-0000-4000-8000-000000000006', 6, 'done', 'plain', 1.004, 3, '2026-01-31 13:00:00', NULL, NULL);
INSERT INTO `Order Lines` VALUES
  (X'aaaaaaaa000040008000000000000001', 1, 'S1', 10, 'line'), (X'aaaaaaaa000040008000000000000001', 1, 'S1', 10, 'tip'),
  (X'aaaaaaaa000040008000000000000001', 2, 's1', 9.9, 'line'), (X'aaaaaaaa000040008000000000000002', 1, 'S2', 119.9, 'line'),
  (X'aaaaaaaa000040008000000000000005', 1, 'S3', 0.01, 'line');
