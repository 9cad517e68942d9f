//! What becomes of a call: it may be forwarded, it waits for a person, or it is refused.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::approval::{Fingerprint, Grant, Reference};
use crate::cascade::{Silent, verdict};
use crate::document::Mode;
use crate::{Call, InputSchema, Permission, Snapshot, UnixMillis, Verdict, WrongArguments};

/// What becomes of one call.
#[derive(Debug)]
pub enum Decision {
    /// It may be forwarded.
    Allow(Permit),
    /// It waits until a person has decided.
    Hold(Hold),
    /// It is refused.
    Deny(Denial),
}

/// Leave to forward one call, once. Only [`decide`] makes one, and it cannot be copied.
#[derive(Debug)]
pub struct Permit {
    verdict: Verdict,
    approval: Option<Reference>,
    observed: bool,
}

/// A call that waits for an approval.
#[derive(Debug)]
pub struct Hold {
    verdict: Verdict,
    second_approval: bool,
    approval_timeout_seconds: Option<u32>,
    input_schema: Option<Arc<InputSchema>>,
}

/// A call that is refused.
#[derive(Debug)]
pub struct Denial {
    verdict: Verdict,
}

/// Decides on one call, with the approval that was consumed for it, if one was.
///
/// An approval lets a call through only if it was given for exactly this call; it never overrides `disabled`.
#[must_use]
pub fn decide(snapshot: &Snapshot, call: &Call<'_>, grant: Option<Grant>, now: UnixMillis) -> Decision {
    let verdict = verdict(snapshot, call, now, &mut Silent);
    let permission = verdict.permission;
    let approval = match permission {
        Permission::RequiresApproval => grant.and_then(|grant| approved(snapshot, call, grant)),
        Permission::Allowed | Permission::Disabled => None,
    };
    let goes_through = permission == Permission::Allowed || approval.is_some();
    if goes_through || snapshot.mode() == Mode::Observe {
        return Decision::Allow(Permit { verdict, approval, observed: !goes_through });
    }
    if permission == Permission::Disabled {
        return Decision::Deny(Denial { verdict });
    }
    let tool = snapshot.tool(call.tool);
    Decision::Hold(Hold {
        verdict,
        second_approval: tool.is_some_and(|tool| tool.second_approval()),
        approval_timeout_seconds: tool.and_then(|tool| tool.approval_timeout_seconds()),
        input_schema: tool.and_then(|tool| tool.input_schema().cloned()),
    })
}

fn approved(snapshot: &Snapshot, call: &Call<'_>, grant: Grant) -> Option<Reference> {
    let fingerprint = Fingerprint::of(snapshot.org(), call).ok()?;
    (grant.fingerprint == fingerprint).then_some(grant.reference)
}

impl Decision {
    /// The verdict that it follows from.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        match self {
            Self::Allow(permit) => permit.verdict(),
            Self::Hold(hold) => hold.verdict(),
            Self::Deny(denial) => denial.verdict(),
        }
    }
}

impl Permit {
    /// The verdict that it follows from.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The approval that lets the call through.
    #[must_use]
    pub const fn approval(&self) -> Option<&Reference> {
        self.approval.as_ref()
    }

    /// Whether the call goes through only because verdicts are not enforced.
    #[must_use]
    pub const fn observed(&self) -> bool {
        self.observed
    }
}

impl Hold {
    /// The verdict that it follows from.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether a second person must approve.
    #[must_use]
    pub const fn second_approval(&self) -> bool {
        self.second_approval
    }

    /// Checks the call's arguments, where the policy says what they must be. Nobody is asked about a call that the tool
    /// would not take.
    ///
    /// # Errors
    /// [`WrongArguments`]
    pub fn check_arguments(&self, call: &Call<'_>) -> Result<(), WrongArguments> {
        self.input_schema.as_ref().map_or(Ok(()), |schema| schema.check(call.arguments))
    }

    /// How long the tool's approvals wait; `None` if the tool does not say.
    #[must_use]
    pub const fn approval_timeout_seconds(&self) -> Option<u32> {
        self.approval_timeout_seconds
    }
}

impl Denial {
    /// The verdict that it follows from.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}
