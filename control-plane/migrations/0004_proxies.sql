-- Proxies that are linked to a control plane: their tokens, what they follow, and what was last seen of them.

-- Counts the changes of what proxies accept as callers.
ALTER TABLE orgs ADD COLUMN keys_revision BIGINT NOT NULL DEFAULT 0;

-- Proxies hold tokens as programs and agents hold keys. SQLite cannot change what a column may hold, so the tables are
-- made again.
CREATE TABLE holders_before AS SELECT * FROM holders;
CREATE TABLE secrets_before AS SELECT * FROM secrets;
DROP TABLE secrets;
DROP TABLE holders;
CREATE TABLE holders (
    org TEXT NOT NULL REFERENCES orgs (name),
    id TEXT NOT NULL,
    tier TEXT NOT NULL CHECK (tier IN ('management', 'standard', 'agent', 'proxy')),
    description TEXT,
    tenant TEXT,
    may_name_tenant BIGINT NOT NULL CHECK (may_name_tenant IN (0, 1)),
    version BIGINT NOT NULL,
    created_at_unix_ms BIGINT NOT NULL,
    expires_at_unix_ms BIGINT,
    revoked_at_unix_ms BIGINT,
    PRIMARY KEY (org, id)
);
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
INSERT INTO holders SELECT * FROM holders_before;
INSERT INTO secrets SELECT * FROM secrets_before;
DROP TABLE secrets_before;
DROP TABLE holders_before;

-- What was last seen of a proxy that was linked once.
CREATE TABLE proxies_seen (
    org TEXT NOT NULL,
    proxy TEXT NOT NULL,
    -- The control plane that it was linked to last.
    instance TEXT NOT NULL,
    -- Of its program.
    version TEXT NOT NULL,
    -- Tells one run of it from the next: 16 hexadecimal digits.
    boot TEXT NOT NULL,
    -- What it has in force; absent until it says so.
    policy_revision BIGINT,
    policy_sha256 TEXT,
    keys_revision BIGINT,
    connected BIGINT NOT NULL CHECK (connected IN (0, 1)),
    connected_at_unix_ms BIGINT NOT NULL,
    -- Or when its link ended.
    seen_at_unix_ms BIGINT NOT NULL,
    -- Why it did not take what it was last sent and refused.
    last_refusal TEXT,
    last_refusal_at_unix_ms BIGINT,
    PRIMARY KEY (org, proxy),
    FOREIGN KEY (org, proxy) REFERENCES holders (org, id)
);

-- Which hold of which run of which proxy used the approval up: it may ask again, and hears the same.
ALTER TABLE approvals ADD COLUMN consumed_by TEXT;

-- The number of its last change of state: one more than any other had until then. So every control plane that shares
-- the store finds what the others have done. 0: it was not changed since it was opened.
ALTER TABLE approvals ADD COLUMN change_number BIGINT NOT NULL DEFAULT 0;
CREATE INDEX approvals_changed ON approvals (change_number);
