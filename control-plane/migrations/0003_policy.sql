-- Organisations, their policies, credentials, and what became of them.

CREATE TABLE orgs (
    name TEXT NOT NULL PRIMARY KEY,
    -- The newest revision of its policy; 0: it has none yet.
    revision BIGINT NOT NULL DEFAULT 0,
    created_at_unix_ms BIGINT NOT NULL
);

-- Who changed a policy, when and why.
CREATE TABLE revisions (
    org TEXT NOT NULL REFERENCES orgs (name),
    revision BIGINT NOT NULL,
    at_unix_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT,
    -- The revision whose contents came back, if it was a rollback.
    rolled_back_to BIGINT,
    -- About what it takes on the disk: for the budget of the history, whose oldest revisions go first.
    bytes BIGINT NOT NULL,
    PRIMARY KEY (org, revision)
);

-- A piece of a policy. It belongs to every revision from the first that has it to the one before the first that
-- has it not; so the policy of any revision can be read, and what lies between two.
CREATE TABLE pieces (
    org TEXT NOT NULL REFERENCES orgs (name),
    kind TEXT NOT NULL CHECK (kind IN ('settings', 'category', 'tool', 'rule')),
    -- A rule's id; empty for the settings.
    name TEXT NOT NULL,
    -- Where it stands among those of its kind.
    position BIGINT NOT NULL,
    -- JSON as in the policy document: compact, keys sorted, numbers as they were written.
    body TEXT NOT NULL,
    from_revision BIGINT NOT NULL,
    -- The first revision without it; absent while it is in force.
    to_revision BIGINT,
    PRIMARY KEY (org, kind, name, from_revision)
);
CREATE UNIQUE INDEX pieces_in_force ON pieces (org, kind, name) WHERE to_revision IS NULL;
CREATE INDEX pieces_in_order ON pieces (org, kind, position);
CREATE INDEX pieces_ended ON pieces (org, to_revision);

-- What rules may name beside tools: known by name, with a word for people.
CREATE TABLE catalogue (
    org TEXT NOT NULL REFERENCES orgs (name),
    kind TEXT NOT NULL CHECK (kind IN ('tenant', 'resource', 'method')),
    name TEXT NOT NULL,
    description TEXT,
    -- Counts its changes, from 1.
    version BIGINT NOT NULL,
    created_at_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (org, kind, name)
);

-- Who holds keys: programs that configure, programs that run, agents.
CREATE TABLE holders (
    org TEXT NOT NULL REFERENCES orgs (name),
    id TEXT NOT NULL,
    tier TEXT NOT NULL CHECK (tier IN ('management', 'standard', 'agent')),
    description TEXT,
    tenant TEXT,
    may_name_tenant BIGINT NOT NULL CHECK (may_name_tenant IN (0, 1)),
    version BIGINT NOT NULL,
    created_at_unix_ms BIGINT NOT NULL,
    expires_at_unix_ms BIGINT,
    revoked_at_unix_ms BIGINT,
    PRIMARY KEY (org, id)
);

-- The secrets of a holder: one, or two while it is rotated.
CREATE TABLE secrets (
    -- Lower-case hexadecimal, over the whole key.
    sha256 TEXT NOT NULL PRIMARY KEY,
    org TEXT NOT NULL,
    holder TEXT NOT NULL,
    -- The first characters, for people to tell keys apart.
    prefix TEXT NOT NULL,
    created_at_unix_ms BIGINT NOT NULL,
    -- Set when another took its place.
    expires_at_unix_ms BIGINT,
    FOREIGN KEY (org, holder) REFERENCES holders (org, id)
);
CREATE INDEX secrets_of_holder ON secrets (org, holder);

-- Tools that proxies saw and no policy lists. A draft is no part of the policy.
CREATE TABLE drafts (
    org TEXT NOT NULL REFERENCES orgs (name),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'accepted', 'rejected')),
    proxy TEXT NOT NULL,
    backend TEXT NOT NULL,
    seen_in TEXT NOT NULL CHECK (seen_in IN ('list', 'call')),
    -- What its backend said of it in a list, if it did: nobody checked it.
    description TEXT,
    -- JSON: the annotations that a policy knows.
    annotations TEXT,
    -- JSON.
    input_schema TEXT,
    definition_sha256 TEXT,
    -- Counts its changes, from 1.
    version BIGINT NOT NULL,
    first_seen_at_unix_ms BIGINT NOT NULL,
    last_seen_at_unix_ms BIGINT NOT NULL,
    decided_by TEXT,
    decided_at_unix_ms BIGINT,
    PRIMARY KEY (org, name)
);
CREATE INDEX drafts_first_seen ON drafts (org, first_seen_at_unix_ms);
CREATE INDEX drafts_newest ON drafts (org, state, first_seen_at_unix_ms, name);

-- What was changed, asked, minted, burned and run through the API.
CREATE TABLE activity (
    org TEXT NOT NULL,
    -- UUID version 7: in the order of time.
    id TEXT NOT NULL,
    at_unix_ms BIGINT NOT NULL,
    -- Such as `rule.put` or `permission.check`.
    action TEXT NOT NULL,
    -- What it was done to: a rule's id, a tool's name, a key's id.
    object TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_kind TEXT NOT NULL CHECK (actor_kind IN ('management', 'standard', 'agent', 'person', 'proxy', 'host')),
    origin TEXT NOT NULL,
    -- Of calls:
    tenant TEXT,
    permission TEXT,
    -- JSON: whatever else there is to say.
    details TEXT,
    PRIMARY KEY (org, id)
);
CREATE INDEX activity_of_object ON activity (org, object, id);
CREATE INDEX activity_of_actor ON activity (org, actor, id);
CREATE INDEX activity_of_action ON activity (org, action, id);

-- Nonces of receipts that were used.
CREATE TABLE nonces (
    org TEXT NOT NULL,
    jti TEXT NOT NULL,
    -- From then on the receipt is refused by its age.
    expires_at_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (org, jti)
);
CREATE INDEX nonces_expired ON nonces (expires_at_unix_ms);

-- Calls whose receipts were redeemed, and what became of them.
CREATE TABLE executions (
    org TEXT NOT NULL,
    -- The receipt's nonce.
    jti TEXT NOT NULL,
    backend TEXT NOT NULL,
    tool TEXT,
    tenant TEXT,
    resource TEXT,
    method TEXT,
    caller TEXT NOT NULL,
    redeemed_by TEXT NOT NULL,
    redeemed_at_unix_ms BIGINT NOT NULL,
    -- `open` until somebody says what became of it.
    outcome TEXT NOT NULL CHECK (outcome IN ('open', 'success', 'failed', 'error', 'unknown')),
    status BIGINT,
    duration_ms BIGINT,
    note TEXT,
    logged_by TEXT,
    logged_at_unix_ms BIGINT,
    PRIMARY KEY (org, jti),
    CHECK ((outcome = 'open') = (logged_at_unix_ms IS NULL))
);
CREATE INDEX executions_newest ON executions (org, redeemed_at_unix_ms, jti);
CREATE INDEX executions_of_tool ON executions (org, tool, redeemed_at_unix_ms, jti);
CREATE INDEX executions_old ON executions (redeemed_at_unix_ms);

-- How writes were answered, for a client that repeats one.
CREATE TABLE repeats (
    org TEXT NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    status BIGINT NOT NULL,
    etag TEXT,
    location TEXT,
    body TEXT NOT NULL,
    at_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (org, actor, idempotency_key)
);
CREATE INDEX repeats_old ON repeats (at_unix_ms);

-- When this store was last found to take writes: one row.
CREATE TABLE pulse (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    at_unix_ms BIGINT NOT NULL,
    -- As much as a large write has.
    filler TEXT NOT NULL
);
