CREATE TABLE contacts (
    customer CHAR(36) PRIMARY KEY,
    display_name VARCHAR(100) CHARACTER SET utf8mb4 NOT NULL,
    mail VARCHAR(100) NOT NULL,
    since DATETIME NOT NULL,
    deleted TINYINT(1) NOT NULL DEFAULT 0
);
INSERT INTO contacts VALUES
    (UPPER('11111111-1111-4111-8111-111111111111'), 'Ada Lovelace', '***********.org', '2026-01-31 10:00:00', 0),
    (UPPER('22222222-2222-4222-8222-222222222222'), 'Ben Abed', '***********.org', '2026-07-01 14:00:00', 0),
    (UPPER('44444444-4444-4444-8444-444444444444'), 'Dana Kim', '************.org', '2026-07-03 14:00:00', 0),
    (UPPER('55555555-5555-4555-8555-555555555555'), 'Eve Moreau', '***********.org', '2026-07-04 15:00:00', 1),
    (UPPER('66666666-6666-4666-8666-666666666666'), 'Test', '***********.org', '2026-07-05 10:00:00', 0);
