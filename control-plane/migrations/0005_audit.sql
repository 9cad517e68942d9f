-- What proxies tell their control plane of the calls that they decided, and the sets of keys that receipts were signed with.

-- Records as the proxies wrote them, each once.
CREATE TABLE proxy_audit (
    org TEXT NOT NULL,
    proxy TEXT NOT NULL,
    -- Counted by the proxy.
    sequence BIGINT NOT NULL,
    -- JSON.
    record TEXT NOT NULL,
    received_at_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (org, proxy, sequence)
);

-- Which set of receipt keys came after which, for all control planes on this store. Never the keys.
CREATE TABLE receipt_key_sets (
    revision BIGINT NOT NULL PRIMARY KEY,
    -- Of the JWK set: lower-case hexadecimal.
    sha256 TEXT NOT NULL,
    at_unix_ms BIGINT NOT NULL
);
