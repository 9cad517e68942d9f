//! Approvals: what one is about, and how it moves from state to state.

mod fingerprint;
mod life;
mod person;
mod reference;
mod state;

pub use fingerprint::{Fingerprint, NotAFingerprint, NotCanonical};
pub use life::{
    LIFE_SECONDS_DEFAULT, LIFE_SECONDS_MAX, LIFE_SECONDS_MIN, USE_WITHIN_SECONDS_DEFAULT, life_seconds,
};
pub use person::{Approver, NotAPersonId, PersonId, enough_people};
pub use reference::{NotAReference, Reference};
pub use state::{Event, Level, Refused, State, Terms, apply};

/// Proof that an approval was consumed for exactly one call: what turns *requires approval* into a permit.
///
/// Not `Clone`: one approval lets one call through, once.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// The approval that was consumed.
    pub reference: Reference,
    /// The call that it was given for.
    pub fingerprint: Fingerprint,
}
