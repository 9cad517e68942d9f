//! The state machine: what an approval becomes when something happens to it.
//!
//! `pending` → `approved`, `denied`, `expired` or `withdrawn`; `approved` → `consumed` or `lapsed`.
//! A two-level approval is `pending` at level 1, then at level 2.

use super::{Approver, PersonId};
use crate::UnixMillis;

/// What never changes about an approval while it lives.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The caller that asked: it can never decide.
    pub requester: &'a str,
    /// Whether two different people must say yes: one of group 1, then one of group 2.
    pub second_approval: bool,
    /// When it expires undecided.
    pub expires_at: UnixMillis,
    /// How long it may be used once it is approved.
    pub use_within_seconds: u64,
}

/// Where an approval stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for people.
    Pending {
        /// Whose yes is needed next.
        level: Level,
    },
    /// People said yes, and its one call has not gone on yet.
    Approved {
        /// When it can no longer be used.
        lapses_at: UnixMillis,
    },
    /// A person said no.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// Its caller took it back before it was decided.
    Withdrawn,
    /// Its one call went on.
    Consumed,
    /// It was approved, and nobody came back for it in time.
    Lapsed,
}

/// Whose yes a pending approval needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// Somebody's of group 1.
    First,
    /// Somebody else's, of group 2.
    Second {
        /// Who said yes at level 1.
        first_by: PersonId,
    },
}

/// What can happen to an approval.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A person says yes.
    Approve {
        /// Who.
        by: &'a Approver,
    },
    /// A person says no.
    Deny {
        /// Who.
        by: &'a Approver,
    },
    /// The caller takes it back.
    Withdraw,
    /// A call wants to go on.
    Consume,
    /// Time went by.
    Tick,
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has ended, in the named state.
    #[error("the approval has ended: it is {0}")]
    Ended(&'static str),
    /// It is approved already, so there is nothing to decide or take back.
    #[error("the approval is decided already: it is approved")]
    Decided,
    /// It is pending, so no call may go on.
    #[error("the approval is not decided yet")]
    NotApproved,
    /// The person is in no group that may decide it now.
    #[error("the person is not in the group whose decision is needed")]
    NotInGroup,
    /// The person is the caller that asked.
    #[error("who asked for an approval can never decide it")]
    Requester,
    /// The person said yes at level 1 already.
    #[error("the second yes must come from a different person than the first")]
    SamePerson,
    /// Its time is up.
    #[error("the time to do this is over")]
    TooLate,
}

impl State {
    /// The state of an approval just opened.
    pub const OPENED: Self = Self::Pending { level: Level::First };

    /// The word used on the wire, in metrics and in documents.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Approved { .. } => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Consumed => "consumed",
            Self::Lapsed => "lapsed",
        }
    }

    /// Whether nothing can change it any more.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Pending { .. } | Self::Approved { .. } => false,
            Self::Denied | Self::Expired | Self::Withdrawn | Self::Consumed | Self::Lapsed => true,
        }
    }
}

/// What an approval in `state` becomes when `event` happens at `now`. A tick always succeeds.
///
/// # Errors
/// [`Refused`] if the event is not possible; the approval stays as it is.
pub fn apply(terms: &Terms<'_>, state: &State, event: Event<'_>, now: UnixMillis) -> Result<State, Refused> {
    match state {
        State::Pending { level } => pending(terms, level, event, now),
        State::Approved { lapses_at } => approved(*lapses_at, event, now),
        State::Denied | State::Expired | State::Withdrawn | State::Consumed | State::Lapsed => match event {
            Event::Tick => Ok(state.clone()),
            Event::Approve { .. } | Event::Deny { .. } | Event::Withdraw | Event::Consume => {
                Err(Refused::Ended(state.as_str()))
            }
        },
    }
}

fn pending(terms: &Terms<'_>, level: &Level, event: Event<'_>, now: UnixMillis) -> Result<State, Refused> {
    if now >= terms.expires_at {
        return match event {
            Event::Tick => Ok(State::Expired),
            Event::Approve { .. } | Event::Deny { .. } | Event::Withdraw | Event::Consume => {
                Err(Refused::TooLate)
            }
        };
    }
    match event {
        Event::Approve { by } => approve(terms, level, by, now),
        Event::Deny { by } if by.is(terms.requester) => Err(Refused::Requester),
        Event::Deny { by } if by.level1 || by.level2 => Ok(State::Denied),
        Event::Deny { .. } => Err(Refused::NotInGroup),
        Event::Withdraw => Ok(State::Withdrawn),
        Event::Consume => Err(Refused::NotApproved),
        Event::Tick => Ok(State::Pending { level: level.clone() }),
    }
}

fn approve(terms: &Terms<'_>, level: &Level, by: &Approver, now: UnixMillis) -> Result<State, Refused> {
    if by.is(terms.requester) {
        return Err(Refused::Requester);
    }
    let approved = State::Approved { lapses_at: now.plus_seconds(terms.use_within_seconds) };
    match level {
        Level::First if !by.level1 => Err(Refused::NotInGroup),
        Level::First if terms.second_approval => {
            Ok(State::Pending { level: Level::Second { first_by: by.id.clone() } })
        }
        Level::First => Ok(approved),
        Level::Second { first_by } if *first_by == by.id => Err(Refused::SamePerson),
        Level::Second { .. } if !by.level2 => Err(Refused::NotInGroup),
        Level::Second { .. } => Ok(approved),
    }
}

fn approved(lapses_at: UnixMillis, event: Event<'_>, now: UnixMillis) -> Result<State, Refused> {
    let over = now >= lapses_at;
    match event {
        Event::Tick if over => Ok(State::Lapsed),
        Event::Tick => Ok(State::Approved { lapses_at }),
        Event::Consume if over => Err(Refused::TooLate),
        Event::Consume => Ok(State::Consumed),
        Event::Approve { .. } | Event::Deny { .. } | Event::Withdraw => Err(Refused::Decided),
    }
}

#[cfg(test)]
mod tests;
