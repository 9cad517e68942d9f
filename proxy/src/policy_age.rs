//! A policy that nobody has confirmed for long may allow what has been forbidden since. The older it is, the less passes:
//! calls of destructive tools are refused first, then all but those that only read, then all.
//!
//! What a tool may do is what the policy says of it, never what its backend says. Where the policy says nothing, MCP's
//! defaults hold: a tool may destroy something.

use std::sync::Arc;
use std::time::Duration;

use config::MaxPolicyAge;
use policy::{Annotations, Call, Decision, Definition, UnixMillis};
use serde_json::{Map, Value, json};

use crate::clock;
use crate::refusal::Refusal;
use crate::state::{PolicyInForce, Shared};

/// How often it is looked at whether calls are refused, for the log, the metric and what is open.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Tools by what their calls may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// They may destroy something.
    Destructive,
    /// They may change something, and destroy nothing.
    Additive,
    /// They change nothing.
    ReadOnly,
}

impl Class {
    const ALL: [Self; 3] = [Self::Destructive, Self::Additive, Self::ReadOnly];

    /// What the policy's annotations make of a tool (MCP, `ToolAnnotations`). What is contradictory is destructive.
    const fn of(annotations: Annotations) -> Self {
        match (annotations.destructive, annotations.read_only) {
            (Some(true), _) => Self::Destructive,
            (_, Some(true)) => Self::ReadOnly,
            (Some(false), _) => Self::Additive,
            (None, _) => Self::Destructive,
        }
    }

    /// The word in metrics and reports.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Destructive => "destructive",
            Self::Additive => "additive",
            Self::ReadOnly => "read_only",
        }
    }

    const fn max_seconds(self, max: &MaxPolicyAge) -> u32 {
        match self {
            Self::Destructive => max.destructive_seconds,
            Self::Additive => max.additive_seconds,
            Self::ReadOnly => max.read_only_seconds,
        }
    }

    /// Whether its calls are refused under a policy of this age.
    fn is_refused(self, age_ms: u64, max: &MaxPolicyAge) -> bool {
        age_ms > u64::from(self.max_seconds(max)) * 1000
    }
}

/// Refuses a call that policy would let through, or hold, if the policy is too old to say so.
pub(crate) fn check(
    max: &MaxPolicyAge,
    policy: &PolicyInForce,
    (call, decision): (&Call<'_>, &Decision),
    now: UnixMillis,
) -> Result<(), Refusal> {
    let age_ms = policy.age_ms(now);
    // The first to be refused: as long as these pass, all do.
    if !Class::Destructive.is_refused(age_ms, max) || matches!(decision, Decision::Deny(_)) {
        return Ok(());
    }
    let class = class_of(policy, call);
    if class.is_refused(age_ms, max) { Err(Refusal::PolicyTooOld { class: class.as_str() }) } else { Ok(()) }
}

fn class_of(policy: &PolicyInForce, call: &Call<'_>) -> Class {
    match policy.snapshot.tool(call.tool) {
        // What the policy says was said of another definition than the one that the backend shows now.
        Some(tool) if call.definition == Definition::Accepted => Class::of(tool.annotations()),
        _ => Class::Destructive,
    }
}

/// Whether a policy is too old for any call.
pub(crate) fn is_too_old_for_all(shared: &Shared, now: UnixMillis) -> bool {
    let in_force = shared.in_force.load();
    let is_too_old = |policy: &Arc<PolicyInForce>| {
        Class::ReadOnly.is_refused(policy.age_ms(now), &shared.settings.max_policy_age)
    };
    in_force.policy.as_ref().is_some_and(is_too_old)
}

/// Each class, how old the policy may be for it, and whether its calls are refused; `null` without a policy.
pub(crate) fn report(shared: &Shared, now: UnixMillis) -> Value {
    let in_force = shared.in_force.load();
    let Some(policy) = &in_force.policy else { return Value::Null };
    let (age_ms, max) = (policy.age_ms(now), &shared.settings.max_policy_age);
    let class = |class: Class| {
        let said = json!({"max_seconds": class.max_seconds(max), "refused": class.is_refused(age_ms, max)});
        (class.as_str().to_owned(), said)
    };
    Value::Object(Class::ALL.into_iter().map(class).collect::<Map<_, _>>())
}

/// Says once when calls of a class begin to be refused and once when they pass again, for as long as the proxy runs.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut refused = [false; Class::ALL.len()];
    loop {
        look(&shared, &mut refused);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn look(shared: &Shared, refused: &mut [bool; Class::ALL.len()]) {
    let in_force = shared.in_force.load();
    let age_ms = in_force.policy.as_ref().map_or(0, |policy| policy.age_ms(clock::now()));
    for (class, was_refused) in Class::ALL.into_iter().zip(refused) {
        let is_refused = class.is_refused(age_ms, &shared.settings.max_policy_age);
        let gauge = shared.metrics.files.policy_too_old.with_label_values(&[class.as_str()]);
        gauge.set(is_refused.into());
        if is_refused == *was_refused {
            continue;
        }
        *was_refused = is_refused;
        let (class, max_seconds) = (class.as_str(), class.max_seconds(&shared.settings.max_policy_age));
        if is_refused {
            tracing::warn!(
                class,
                max_seconds,
                "the policy in force is too old: calls of these tools are refused until its source confirms it"
            );
        } else {
            tracing::info!(
                class,
                max_seconds,
                "the policy in force is confirmed: calls of these tools pass again"
            );
        }
    }
}

#[cfg(test)]
mod tests;
