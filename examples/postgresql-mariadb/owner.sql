CREATE TABLE customers (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    signed_up timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
INSERT INTO customers (id, name, email, signed_up, deleted_at) VALUES
    ('11111111-1111-4111-8111-111111111111', 'Ada Lovelace', 'ada@example.org', '2026-01-31 09:00:00.250+00', NULL),
    ('22222222-2222-4222-8222-222222222222', 'Ben Abed', 'ben@example.org', '2026-07-01 10:00:00.500+00', NULL),
    ('33333333-3333-4333-8333-333333333333', 'Cem Öz', 'cem@example.org', '2026-07-02 11:00:00.750+00', NULL),
    ('44444444-4444-4444-8444-444444444444', 'Dana Kim', 'dana@example.org', '2026-07-03 12:00:00+00', '2026-07-09 08:00:00+00'),
    ('55555555-5555-4555-8555-555555555555', 'Eve Moreau', 'eve@example.org', '2026-07-04 13:00:00+00', '2026-07-09 08:00:00+00');
