-- Whether the tool's backend showed another definition of it than the accepted one.

ALTER TABLE approvals
    ADD COLUMN definition_changed BIGINT NOT NULL DEFAULT 0 CHECK (definition_changed IN (0, 1));
