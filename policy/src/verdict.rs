//! What the cascade says of one call.

use std::sync::Arc;

use serde::Serialize;

use crate::{Level, Permission};

/// The verdict on one call. As JSON it is one line of `policy decide`: absent fields are left out,
/// `clamped` and `definition_changed` only when true, `faults` only when there are any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What policy says of the call.
    pub permission: Permission,
    /// Where that came from.
    pub level: Level,
    /// The id of the rule that decided; absent for the gate and the fallbacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// The draft clamp turned `allowed` into `requires_approval`.
    #[serde(skip_serializing_if = "is_false")]
    pub clamped: bool,
    /// The backend shows another definition of the tool than the one that was accepted.
    #[serde(skip_serializing_if = "is_false")]
    pub definition_changed: bool,
    /// The ids of the rules whose condition could not be evaluated, in the order in which they were met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Arc<str>>,
    /// The revision of the policy that decided.
    #[serde(skip)]
    pub revision: u64,
    /// The reason that the rule gives to the caller.
    #[serde(skip)]
    pub reason: Option<Arc<str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
