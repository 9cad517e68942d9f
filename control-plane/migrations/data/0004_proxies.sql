-- What a program of version 4 writes, beside what was there.

UPDATE orgs SET keys_revision = 7 WHERE name = 'acme';

INSERT INTO holders (org, id, tier, description, tenant, may_name_tenant, version, created_at_unix_ms,
    expires_at_unix_ms, revoked_at_unix_ms) VALUES
('acme', 'gate-1', 'proxy', 'In the north', NULL, 0, 1, 1000, NULL, NULL),
('acme', 'gate-2', 'proxy', NULL, NULL, 0, 1, 1000, NULL, NULL);

INSERT INTO secrets (sha256, org, holder, prefix, created_at_unix_ms, expires_at_unix_ms) VALUES
('7777777777777777777777777777777777777777777777777777777777777777', 'acme', 'gate-1', 'oak_proxy_ab', 1000, NULL),
('8888888888888888888888888888888888888888888888888888888888888888', 'acme', 'gate-2', 'oak_proxy_cd', 1000, NULL);

INSERT INTO proxies_seen (org, proxy, instance, version, boot, policy_revision, policy_sha256, keys_revision, connected,
    connected_at_unix_ms, seen_at_unix_ms, last_refusal, last_refusal_at_unix_ms) VALUES
('acme', 'gate-1', '01900000-0000-7000-8000-000000000001', '0.1.0', '00000000000000ff', 2,
    '9999999999999999999999999999999999999999999999999999999999999999', 7, 1, 2000, 3000, NULL, NULL),
('acme', 'gate-2', '01900000-0000-7000-8000-000000000001', '0.1.0', '00000000000000fe', NULL, NULL, NULL, 0, 2000, 3000,
    'policy 2: it does not compile', 2500);

INSERT INTO approvals (reference, org, fingerprint, proxy, caller, backend, tool, arguments, cascade_level,
    policy_revision, second_approval, state, created_at_unix_ms, expires_at_unix_ms, decided_at_unix_ms, lapses_at_unix_ms,
    consumed_by, change_number) VALUES
('REF-0000000B-0000', 'acme', '000000000000000000000000000000000000000000000000000000000000000b', 'gate-1', 'agent-8', 'payments', 'refund',
    '{}', 'default', 4, 0, 'consumed', 11000, 9000000000000, 11500, 12400, '00000000000000ff/7/gate-1', 2);
