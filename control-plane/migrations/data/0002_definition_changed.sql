-- What a program of version 2 writes, beside what was there.

INSERT INTO approvals (reference, org, fingerprint, proxy, caller, backend, tool, arguments, cascade_level,
    policy_revision, definition_changed, second_approval, state, created_at_unix_ms, expires_at_unix_ms) VALUES
('REF-0000000A-0000', 'acme', '000000000000000000000000000000000000000000000000000000000000000a', 'gate-1', 'agent-8', 'payments', 'refund',
    '{}', 'default', 4, 1, 0, 'pending', 10000, 9000000000000);
