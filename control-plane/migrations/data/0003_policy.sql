-- What a program of version 3 writes, beside what was there.

INSERT INTO orgs (name, revision, created_at_unix_ms) VALUES ('acme', 2, 1000), ('empty', 0, 1000);

INSERT INTO revisions (org, revision, at_unix_ms, actor, origin, reason, rolled_back_to, bytes) VALUES
('acme', 1, 2000, 'deploy', '192.0.2.1:5000', 'first', NULL, 900),
('acme', 2, 3000, 'deploy', '192.0.2.1:5000', NULL, 1, 600);

INSERT INTO pieces (org, kind, name, position, body, from_revision, to_revision) VALUES
('acme', 'settings', '', 0, '{}', 1, NULL),
('acme', 'category', 'money', 0, '{"name":"money"}', 1, NULL),
('acme', 'tool', 'payments.refund', 0, '{"name":"payments.refund"}', 1, 2),
('acme', 'tool', 'payments.refund', 0, '{"category":"money","name":"payments.refund"}', 2, NULL),
('acme', 'rule', 'refunds', 0, '{"id":"refunds","permission":"requires_approval"}', 1, 2);

INSERT INTO catalogue (org, kind, name, description, version, created_at_unix_ms) VALUES
('acme', 'tenant', 'tenant-1', 'The first', 1, 1000),
('acme', 'resource', 'ledger', NULL, 2, 1000),
('acme', 'method', 'write', NULL, 1, 1000);

INSERT INTO holders (org, id, tier, description, tenant, may_name_tenant, version, created_at_unix_ms,
    expires_at_unix_ms, revoked_at_unix_ms) VALUES
('acme', 'deploy', 'management', 'The pipeline', NULL, 0, 1, 1000, NULL, NULL),
('acme', 'runtime', 'standard', NULL, NULL, 1, 3, 1000, 9000000000000, NULL),
('acme', 'agent-7', 'agent', NULL, 'tenant-1', 0, 2, 1000, NULL, 5000);

INSERT INTO secrets (sha256, org, holder, prefix, created_at_unix_ms, expires_at_unix_ms) VALUES
('3333333333333333333333333333333333333333333333333333333333333333', 'acme', 'deploy', 'oak_mgmt_abc', 1000, NULL),
('4444444444444444444444444444444444444444444444444444444444444444', 'acme', 'runtime', 'oak_live_abc', 1000, 2000),
('5555555555555555555555555555555555555555555555555555555555555555', 'acme', 'runtime', 'oak_live_def', 1000, NULL),
('6666666666666666666666666666666666666666666666666666666666666666', 'acme', 'agent-7', 'oak_agent_ab', 1000, NULL);

INSERT INTO drafts (org, name, state, proxy, backend, seen_in, description, annotations, input_schema,
    definition_sha256, version, first_seen_at_unix_ms, last_seen_at_unix_ms, decided_by, decided_at_unix_ms) VALUES
('acme', 'files.delete', 'draft', 'gate-1', 'files', 'list', 'Deletes', '{"destructive":true}', '{"type":"object"}',
    '7777777777777777777777777777777777777777777777777777777777777777', 1, 1000, 2000, NULL, NULL),
('acme', 'files.read', 'accepted', 'gate-1', 'files', 'call', NULL, NULL, NULL, NULL, 2, 1000, 2000, 'deploy', 3000),
('acme', 'files.write', 'rejected', 'gate-1', 'files', 'call', NULL, NULL, NULL, NULL, 2, 1000, 2000, 'deploy', 3000);

INSERT INTO activity (id, org, at_unix_ms, action, object, actor, actor_kind, origin, tenant, permission, details) VALUES
('01900000-0000-7000-8000-000000000001', 'acme', 1000, 'key.create', 'deploy', 'host', 'host', 'here', NULL, NULL, NULL),
('01900000-0000-7000-8000-000000000002', 'acme', 2000, 'rule.put', 'refunds', 'deploy', 'management', '192.0.2.1:5000',
    NULL, NULL, '{"revision":1}'),
('01900000-0000-7000-8000-000000000003', 'acme', 3000, 'permission.check', 'payments.refund', 'agent-7', 'agent',
    '192.0.2.1:5000', 'tenant-1', 'allowed', NULL),
('01900000-0000-7000-8000-000000000004', 'acme', 4000, 'permission.check', 'payments.refund', 'runtime', 'standard',
    '192.0.2.1:5000', NULL, 'disabled', NULL),
('01900000-0000-7000-8000-000000000005', 'acme', 5000, 'approval.decide', 'REF-00000004-0000', 'ada', 'person',
    '192.0.2.1:5000', NULL, NULL, NULL);

INSERT INTO nonces (org, jti, expires_at_unix_ms) VALUES ('acme', '01900000-0000-7000-8000-00000000000a', 9000000000000);

INSERT INTO executions (org, jti, backend, tool, tenant, resource, method, caller, redeemed_by, redeemed_at_unix_ms, outcome,
    status, duration_ms, note, logged_by, logged_at_unix_ms) VALUES
('acme', '01900000-0000-7000-8000-00000000000a', 'files', 'files.read', 'north', 'r', 'read', 'agent-7', 'server', 1000, 'open',
    NULL, NULL, NULL, NULL, NULL),
('acme', '01900000-0000-7000-8000-00000000000b', 'files', 'files.write', NULL, NULL, NULL, 'agent-7', 'server', 1000, 'success',
    200, 12, 'done', 'server', 2000),
('acme', '01900000-0000-7000-8000-00000000000c', 'files', NULL, NULL, NULL, NULL, 'agent-7', 'server', 1000, 'failed', 500, 12, NULL, 'server', 2000),
('acme', '01900000-0000-7000-8000-00000000000d', 'files', NULL, NULL, NULL, NULL, 'agent-7', 'server', 1000, 'error', NULL, NULL, NULL, 'server', 2000),
('acme', '01900000-0000-7000-8000-00000000000e', 'files', NULL, NULL, NULL, NULL, 'agent-7', 'server', 1000, 'unknown', NULL, NULL, NULL, 'server', 2000);

INSERT INTO repeats (org, actor, idempotency_key, request_sha256, status, etag, location, body, at_unix_ms) VALUES
('acme', 'deploy', 'one', '8888888888888888888888888888888888888888888888888888888888888888', 201, '"1"', '/v1/rules/refunds', '{}', 2000),
('acme', 'deploy', 'two', '9999999999999999999999999999999999999999999999999999999999999999', 204, NULL, NULL, '', 3000);

INSERT INTO pulse (id, at_unix_ms, filler) VALUES (1, 5000, '0000');
