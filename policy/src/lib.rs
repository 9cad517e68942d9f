//! The cascade: one [`Call`] and one [`Snapshot`] become one [`Verdict`], and the approval state machine.
//!
//! Pure: no runtime, no HTTP, no clock, no randomness, no files. Time and entropy are arguments.
//! A call may be forwarded only with a [`Permit`], and only [`decide`] makes one.

pub mod approval;
mod call;
pub mod mask;
mod permission;
mod time;

pub use call::{Call, Caller, CallerKind};
pub use permission::Permission;
pub use time::UnixMillis;
