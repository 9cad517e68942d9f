-- Proxies that are linked to their control plane.

-- Which hold of which run of which proxy used the approval up: it may ask again, and hears the same.
ALTER TABLE approvals ADD COLUMN consumed_by TEXT;

-- The number of its last change of state: one more than any other had until then. So every control plane that shares
-- the store finds what the others have done. 0: it was not changed since it was opened.
ALTER TABLE approvals ADD COLUMN change_number BIGINT NOT NULL DEFAULT 0;
CREATE INDEX approvals_changed ON approvals (change_number);
