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
mod definition;
pub mod diff;
pub mod document;
mod input_schema;
mod level;
mod load_error;
pub mod mask;
mod permission;
mod query;
pub mod replay;
mod schema;
mod snapshot;
mod time;
mod tool;
mod unique;
mod verdict;
mod visibility;

pub use call::{Call, Caller, CallerKind, Definition, Unread};
pub use condition::{
    CONDITION_ARGUMENTS_BYTES_MAX, CONDITION_BYTES_MAX, CONDITION_DEPTH_MAX, CONDITION_STEPS_MAX, Fault,
    NotACondition,
};
pub use decision::{Decision, Denial, Hold, Permit, decide};
pub use definition::{DefinitionDigest, NotADefinition, ToolDefinition};
pub use document::{Document, Mode, UnlistedTools};
pub use input_schema::{
    EXPLAINED_NODES_TIMES_BYTES_MAX, INPUT_SCHEMA_BYTES_MAX, InputSchema, NotASchema,
    RECURSIVE_ARGUMENTS_DEPTH_MAX, SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX, WRONG_PLACES_MAX, WrongArguments,
    WrongPlace,
};
pub use level::{Coordinates, Level, Precedence, Scope};
pub use load_error::{Expected, LoadError, Mistake, Part, Place};
pub use permission::Permission;
pub use query::{NotAQuery, Query};
pub use schema::SCHEMA;
pub use snapshot::Snapshot;
pub use time::UnixMillis;
pub use tool::{Annotations, Reasoning, Status, Tool};
pub use verdict::Verdict;
pub use visibility::Outlook;
