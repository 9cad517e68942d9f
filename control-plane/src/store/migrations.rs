//! How the tables came to be, step by step.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, name and text of each migration. One that was ever released never changes; new ones are added below.
const MIGRATIONS: [(i64, &str, &str); 5] = [
    (1, "approvals", include_str!("../../migrations/0001_approvals.sql")),
    (2, "definition_changed", include_str!("../../migrations/0002_definition_changed.sql")),
    (3, "policy", include_str!("../../migrations/0003_policy.sql")),
    (4, "proxies", include_str!("../../migrations/0004_proxies.sql")),
    (5, "audit", include_str!("../../migrations/0005_audit.sql")),
];

/// Brings tables from any older version up to date.
pub(super) fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // Writers take turns already.
    migrator.set_locking(false);
    migrator
}

#[cfg(test)]
mod tests;
