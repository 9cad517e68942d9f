//! The cascade: one [`Call`] and one [`Snapshot`] become one [`Verdict`], and the approval state machine.
//!
//! Pure: no runtime, no HTTP, no clock, no randomness, no files. Time and entropy are arguments.
//! A call may be forwarded only with a [`Permit`], and only [`decide`] makes one.

pub mod approval;
mod call;
pub mod cascade;
pub mod cases;
mod condition;
mod decision;
pub mod diff;
pub mod document;
mod level;
mod load_error;
pub mod mask;
mod permission;
mod query;
mod schema;
mod snapshot;
mod time;
mod tool;
mod verdict;
mod visibility;

pub use call::{Call, Caller, CallerKind};
pub use condition::{
    CONDITION_ARGUMENTS_BYTES_MAX, CONDITION_BYTES_MAX, CONDITION_DEPTH_MAX, CONDITION_STEPS_MAX, Fault,
    NotACondition,
};
pub use decision::{Decision, Denial, Hold, Permit, decide};
pub use document::{Document, Mode, UnlistedTools};
pub use level::{Coordinates, Level, Precedence, Scope};
pub use load_error::{Expected, LoadError, Mistake, Part, Place};
pub use permission::Permission;
pub use query::{NotAQuery, Query};
pub use schema::SCHEMA;
pub use snapshot::Snapshot;
pub use time::UnixMillis;
pub use tool::{Annotations, Reasoning, Status, Tool};
pub use verdict::Verdict;
