//! Approvals as rows, and back.

use policy::UnixMillis;
use policy::approval::{Fingerprint, Level, PersonId, Reference, State, Terms};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::StoreError;

/// An approval as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Approval {
    pub(crate) reference: Reference,
    pub(crate) org: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) proxy: String,
    pub(crate) caller: String,
    pub(crate) backend: String,
    pub(crate) tool: String,
    pub(crate) tenant: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) method: Option<String>,
    /// Masked.
    pub(crate) arguments: String,
    /// The agent's own words, masked.
    pub(crate) reasoning: Option<String>,
    pub(crate) cascade_level: String,
    pub(crate) rule: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) policy_revision: u64,
    /// The tool's backend showed another definition of it than the accepted one.
    pub(crate) definition_changed: bool,
    pub(crate) second_approval: bool,
    pub(crate) state: State,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    pub(crate) decided_at: Option<UnixMillis>,
    /// When it lapses or would have lapsed, once it was approved.
    pub(crate) lapses_at: Option<UnixMillis>,
    /// Who said yes at level 1, of a two-level approval that is or was at level 2.
    pub(crate) first_by: Option<PersonId>,
    /// The note of the last decision.
    pub(crate) note: Option<String>,
    /// Which hold used it up.
    pub(crate) consumed_by: Option<String>,
    /// Counts the changes of all approvals; 0: it was not changed since it was opened.
    pub(crate) change_number: u64,
}

/// A person's decision on an approval.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) level: u8,
    pub(crate) person: String,
    /// `approve` or `deny`.
    pub(crate) decision: String,
    pub(crate) note: Option<String>,
    pub(crate) at: UnixMillis,
    pub(crate) origin: String,
}

/// Where a page of a list ends. Approvals are listed newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) created_at: UnixMillis,
    pub(crate) reference: Reference,
}

impl Approval {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let first_by = text(row, "first_by")?.map(|id| person(&id)).transpose()?;
        let lapses_at = optional_moment(row, "lapses_at_unix_ms")?;
        Ok(Self {
            state: state(row, first_by.as_ref(), lapses_at)?,
            reference: Reference::try_from(row.try_get::<String, _>("reference")?)
                .map_err(|_| StoreError::Unreadable("reference"))?,
            org: row.try_get("org")?,
            fingerprint: Fingerprint::try_from(row.try_get::<String, _>("fingerprint")?)
                .map_err(|_| StoreError::Unreadable("fingerprint"))?,
            proxy: row.try_get("proxy")?,
            caller: row.try_get("caller")?,
            backend: row.try_get("backend")?,
            tool: row.try_get("tool")?,
            tenant: text(row, "tenant")?,
            resource: text(row, "resource")?,
            method: text(row, "method")?,
            arguments: row.try_get("arguments")?,
            reasoning: text(row, "reasoning")?,
            cascade_level: row.try_get("cascade_level")?,
            rule: text(row, "rule")?,
            reason: text(row, "reason")?,
            policy_revision: count(row, "policy_revision")?,
            definition_changed: flag(row, "definition_changed")?,
            second_approval: flag(row, "second_approval")?,
            created_at: moment(row, "created_at_unix_ms")?,
            expires_at: moment(row, "expires_at_unix_ms")?,
            decided_at: optional_moment(row, "decided_at_unix_ms")?,
            lapses_at,
            first_by,
            note: text(row, "note")?,
            consumed_by: text(row, "consumed_by")?,
            change_number: count(row, "change_number")?,
        })
    }

    pub(super) fn terms(&self, use_within_seconds: u64) -> Terms<'_> {
        Terms {
            requester: &self.caller,
            second_approval: self.second_approval,
            expires_at: self.expires_at,
            use_within_seconds,
        }
    }

    /// The level whose decision it waits for, while it is pending.
    pub(crate) fn level(&self) -> Option<u8> {
        match self.state {
            State::Pending { level: Level::First } => Some(1),
            State::Pending { level: Level::Second { .. } } => Some(2),
            State::Approved { .. }
            | State::Denied
            | State::Expired
            | State::Withdrawn
            | State::Consumed
            | State::Lapsed => None,
        }
    }

    /// Where it stands in the list.
    pub(crate) fn position(&self) -> Position {
        Position { created_at: self.created_at, reference: self.reference.clone() }
    }
}

impl Decision {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            level: u8::try_from(count(row, "level")?).map_err(|_| StoreError::Unreadable("level"))?,
            person: row.try_get("person")?,
            decision: row.try_get("decision")?,
            note: text(row, "note")?,
            at: moment(row, "at_unix_ms")?,
            origin: row.try_get("origin")?,
        })
    }
}

fn state(
    row: &AnyRow,
    first_by: Option<&PersonId>,
    lapses_at: Option<UnixMillis>,
) -> Result<State, StoreError> {
    let word: String = row.try_get("state")?;
    match (word.as_str(), first_by, lapses_at) {
        ("pending", None, _) => Ok(State::OPENED),
        ("pending", Some(id), _) => Ok(State::Pending { level: Level::Second { first_by: id.clone() } }),
        ("approved", _, Some(lapses_at)) => Ok(State::Approved { lapses_at }),
        ("denied", ..) => Ok(State::Denied),
        ("expired", ..) => Ok(State::Expired),
        ("withdrawn", ..) => Ok(State::Withdrawn),
        ("consumed", ..) => Ok(State::Consumed),
        ("lapsed", ..) => Ok(State::Lapsed),
        _ => Err(StoreError::Unreadable("state")),
    }
}

pub(super) fn person(id: &str) -> Result<PersonId, StoreError> {
    PersonId::parse(id).map_err(|_| StoreError::Unreadable("person"))
}

pub(super) fn text(row: &AnyRow, column: &'static str) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, StoreError> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

pub(super) fn count(row: &AnyRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Unreadable(column))
}

pub(super) fn moment(row: &AnyRow, column: &'static str) -> Result<UnixMillis, StoreError> {
    count(row, column).map(UnixMillis)
}

pub(super) fn optional_moment(row: &AnyRow, column: &'static str) -> Result<Option<UnixMillis>, StoreError> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(|ms| u64::try_from(ms).map(UnixMillis).map_err(|_| StoreError::Unreadable(column))).transpose()
}
