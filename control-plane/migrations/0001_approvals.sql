-- People, approvals and the decisions on them. Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE people (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    level1 BIGINT NOT NULL CHECK (level1 IN (0, 1)),
    level2 BIGINT NOT NULL CHECK (level2 IN (0, 1)),
    created_at_unix_ms BIGINT NOT NULL,
    -- Lower-case hexadecimal. Absent once the session was ended.
    session_sha256 TEXT UNIQUE,
    session_expires_at_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE approvals (
    reference TEXT NOT NULL PRIMARY KEY,
    org TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    proxy TEXT NOT NULL,
    caller TEXT NOT NULL,
    backend TEXT NOT NULL,
    tool TEXT NOT NULL,
    tenant TEXT,
    resource TEXT,
    method TEXT,
    -- Masked.
    arguments TEXT NOT NULL,
    reasoning TEXT,
    cascade_level TEXT NOT NULL,
    rule TEXT,
    reason TEXT,
    policy_revision BIGINT NOT NULL,
    second_approval BIGINT NOT NULL CHECK (second_approval IN (0, 1)),
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'withdrawn', 'consumed', 'lapsed')),
    -- Who said yes at level 1, of a two-level approval that is or was at level 2.
    first_by TEXT,
    created_at_unix_ms BIGINT NOT NULL,
    expires_at_unix_ms BIGINT NOT NULL,
    decided_at_unix_ms BIGINT,
    lapses_at_unix_ms BIGINT,
    note TEXT,
    -- Whether a held call was told of the denial.
    denial_heard BIGINT NOT NULL DEFAULT 0 CHECK (denial_heard IN (0, 1)),
    CHECK (state NOT IN ('approved', 'consumed', 'lapsed') OR lapses_at_unix_ms IS NOT NULL)
);

-- One call has one live approval at most.
CREATE UNIQUE INDEX approvals_live ON approvals (org, fingerprint) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_unheard ON approvals (org, fingerprint) WHERE state = 'denied' AND denial_heard = 0;
CREATE INDEX approvals_pending ON approvals (expires_at_unix_ms) WHERE state = 'pending';
CREATE INDEX approvals_pending_of_caller ON approvals (org, caller) WHERE state = 'pending';
CREATE INDEX approvals_approved ON approvals (lapses_at_unix_ms) WHERE state = 'approved';
CREATE INDEX approvals_newest ON approvals (org, created_at_unix_ms, reference);
CREATE INDEX approvals_newest_by_state ON approvals (org, state, created_at_unix_ms, reference);

CREATE TABLE decisions (
    reference TEXT NOT NULL REFERENCES approvals (reference),
    level BIGINT NOT NULL CHECK (level IN (1, 2)),
    person TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('approve', 'deny')),
    note TEXT,
    at_unix_ms BIGINT NOT NULL,
    -- The address that the decision came from.
    origin TEXT NOT NULL,
    PRIMARY KEY (reference, level)
);
