-- What a program of version 5 writes, beside what was there.

INSERT INTO proxy_audit (org, proxy, sequence, record, received_at_unix_ms) VALUES
('acme', 'gate-1', 1, '{"record":"intent"}', 5000),
('acme', 'gate-1', 2, '{"record":"outcome"}', 5000);

INSERT INTO receipt_key_sets (revision, sha256, at_unix_ms) VALUES
(1, '7777777777777777777777777777777777777777777777777777777777777777', 4000);
