-- What a program of version 4 writes, beside what was there.

INSERT INTO approvals (reference, org, fingerprint, proxy, caller, backend, tool, arguments, cascade_level,
    policy_revision, second_approval, state, created_at_unix_ms, expires_at_unix_ms, decided_at_unix_ms, lapses_at_unix_ms,
    consumed_by, change_number) VALUES
('REF-0000000B-0000', 'acme', '000000000000000000000000000000000000000000000000000000000000000b', 'gate-1', 'agent-8', 'payments', 'refund',
    '{}', 'default', 4, 0, 'consumed', 11000, 9000000000000, 11500, 12400, '00000000000000ff/7/gate-1', 2);
