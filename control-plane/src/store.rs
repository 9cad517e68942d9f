//! The store: the only code that knows SQL.
//!
//! Every change is one transaction, which first settles what is due (so that nobody ever sees an approval whose
//! time is over), then reads, asks `policy::approval::apply`, and writes only if nothing changed in between.
//! A change that was answered is on the disk.

mod activity;
mod approvals;
mod audit;
mod backup;
mod callers;
mod catalogue;
mod changes;
mod consume;
mod credentials;
mod database;
mod drafts;
mod edit;
mod error;
mod executions;
mod holders;
mod migrations;
mod nonces;
mod opening;
mod orgs;
mod people;
mod policy;
mod proxies;
mod published;
mod pulse;
mod row;
mod settle;

pub(crate) use activity::{
    Activity, ActivityFilter, GROUP_MAX as ACTIVITY_GROUP_MAX, Kept as KeptActivity, Record,
};
pub(crate) use approvals::{Answer, Filter, Live, NewDecision};
pub(crate) use audit::AuditRecords;
pub use backup::{BackupError, backup};
pub(crate) use callers::OrgRevisions;
pub(crate) use catalogue::{Entry, EntryKind};
pub(crate) use consume::Used;
pub(crate) use credentials::{Credential, HolderAdded, HolderKind, Secret};
pub use database::{StoreUrl, StoreUrlError};
pub(crate) use drafts::{
    Draft, DraftFilter, DraftLimits, DraftPosition, DraftState, Placed, Seen, SeenDraft,
};
pub(crate) use edit::{Begun, Edit, Kept, Repeat};
pub(crate) use executions::{Execution, ExecutionFilter, Outcome, Report};
pub(crate) use holders::{Holder, Tier};
pub(crate) use opening::{Opened, Opening};
pub(crate) use orgs::{OrgAdded, OrgRow};
pub(crate) use people::{Added, PersonRow};
pub(crate) use policy::{NewPiece, Piece, PieceKind, Pieces, Plan, Revision, Why};
pub(crate) use proxies::{LinkEvent, LinkNote, ProxyLink, ProxySeen};
pub(crate) use published::ReceiptKeySet;
pub(crate) use row::{Approval, Decision, Position};
pub(crate) use settle::{Change, Ended};

use std::sync::Arc;

use sqlx::AnyPool;
use tokio::sync::Notify;

use database::Kind;
use pulse::Pulse;

/// Everything that a control plane keeps.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    kind: Kind,
    /// To SQLite one connection: it has one writer at a time, and here they queue in order.
    writer: AnyPool,
    readers: AnyPool,
    pulse: Pulse,
    edited: Arc<Notify>,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused, or cannot be reached.
    #[error("the store failed: {0}")]
    Database(#[source] sqlx::Error),
    /// There is no room on its disk. Nothing was written.
    #[error("the store's disk is full: {0}")]
    Full(#[source] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the store's tables could not be brought up to date: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A later version of this program has changed the tables.
    #[error(
        "a newer version of oakgate has changed the store's tables (step {0}); run that version, or restore a backup"
    )]
    Newer(i64),
    /// The file can't be used.
    #[error("the store's file can't be used: {0}")]
    File(#[from] std::io::Error),
    /// What was read is nothing that this program writes. Where it stands is said by [`Self::Damaged`].
    #[error("unreadable {0}")]
    Unreadable(&'static str),
    /// A row of a table holds what this program never writes.
    #[error("the store is damaged: table `{table}` holds a row with an {what}; restore it from a backup")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong with the row.
        what: String,
    },
    /// The database says itself that it is damaged.
    #[error("the store is damaged: {0}; restore it from a backup")]
    Corrupt(#[source] sqlx::Error),
    /// The work was broken off: the program is stopping, or has a fault.
    #[error("the work was broken off")]
    Stopped,
    /// The revision was removed, for there was no more room.
    #[error("the revision is not kept any more")]
    Pruned,
    /// Another writer changed the same approval at the same time.
    #[error("the approval was changed by another writer at the same time")]
    Conflict,
}

/// What a change did, and which approvals ended by time before it.
#[derive(Debug)]
pub(crate) struct Settled<T> {
    /// Approvals that expired or lapsed just now.
    pub(crate) ended: Vec<Ended>,
    /// What the change itself gave.
    pub(crate) value: T,
}

/// Milliseconds as SQL has them.
fn sql_integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
impl Store {
    /// Runs a statement of a test.
    pub(crate) async fn run(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.writer).await.unwrap();
    }

    /// What is written down of an organisation: who did what to what, in order.
    pub(crate) async fn records(&self, org: &str) -> Vec<String> {
        let sql =
            "SELECT actor_kind || ' ' || action || ' ' || object FROM activity WHERE org = $1 ORDER BY id";
        sqlx::query_scalar(sql).bind(org).fetch_all(&self.writer).await.unwrap()
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        sqlx::query_scalar(query).fetch_one(self.readers()).await.unwrap()
    }
}
