-- What a program of version 1 writes: people with and without a session, and an approval in every state.

INSERT INTO people (org, id, name, level1, level2, created_at_unix_ms, session_sha256, session_expires_at_unix_ms) VALUES
('acme', 'ada', 'Ada', 1, 1, 1000, '1111111111111111111111111111111111111111111111111111111111111111', 9000000000000),
('acme', 'bob', 'Bób O''Hara', 0, 1, 2000, NULL, 3000),
('other', 'ada', 'Another Ada', 0, 0, 1000, '2222222222222222222222222222222222222222222222222222222222222222', 4000);

INSERT INTO approvals (reference, org, fingerprint, proxy, caller, backend, tool, tenant, resource, method, arguments,
    reasoning, cascade_level, rule, reason, policy_revision, second_approval, state, first_by, created_at_unix_ms,
    expires_at_unix_ms, decided_at_unix_ms, lapses_at_unix_ms, note, denial_heard) VALUES
('REF-00000001-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000001', 'gate-1', 'agent-7', 'payments', 'refund',
    'tenant-1', 'ledger', 'write', '{"password":"•••"}', 'the customer asked', 'org/tool', 'refunds', 'over 100', 3, 0,
    'pending', NULL, 1000, 9000000000000, NULL, NULL, NULL, 0),
('REF-00000002-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000002', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 1,
    'pending', 'ada', 2000, 9000000000000, NULL, NULL, 'first yes', 0),
('REF-00000003-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000003', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 1,
    'approved', 'ada', 3000, 9000000000000, 3500, 9000000000000, 'second yes', 0),
('REF-00000004-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000004', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 0,
    'denied', NULL, 4000, 5000, 4500, NULL, 'no', 1),
('REF-00000005-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000004', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 0,
    'denied', NULL, 5000, 6000, 5500, NULL, NULL, 0),
('REF-00000006-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000004', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 0,
    'expired', NULL, 6000, 7000, NULL, NULL, NULL, 0),
('REF-00000007-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000004', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 0,
    'withdrawn', NULL, 7000, 8000, NULL, NULL, NULL, 0),
('REF-00000008-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000004', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 0,
    'consumed', NULL, 8000, 9000, 8500, 9400, 'fine', 0),
('REF-00000009-0000', 'acme', '0000000000000000000000000000000000000000000000000000000000000004', 'gate-1', 'agent-7', 'payments', 'refund',
    NULL, NULL, NULL, '{}', NULL, 'default', NULL, NULL, 0, 0,
    'lapsed', NULL, 9000, 9500, 9100, 9900, NULL, 0);

INSERT INTO decisions (reference, level, person, decision, note, at_unix_ms, origin) VALUES
('REF-00000002-0000', 1, 'ada', 'approve', 'first yes', 2100, '192.0.2.1:5000'),
('REF-00000003-0000', 1, 'ada', 'approve', NULL, 3100, '192.0.2.1:5000'),
('REF-00000003-0000', 2, 'bob', 'approve', 'second yes', 3500, '[2001:db8::1]:5000'),
('REF-00000004-0000', 1, 'ada', 'deny', 'no', 4500, '192.0.2.1:5000'),
('REF-00000005-0000', 1, 'ada', 'deny', NULL, 5500, '192.0.2.1:5000'),
('REF-00000008-0000', 1, 'ada', 'approve', 'fine', 8500, '192.0.2.1:5000'),
('REF-00000009-0000', 1, 'ada', 'approve', NULL, 9100, '192.0.2.1:5000');
