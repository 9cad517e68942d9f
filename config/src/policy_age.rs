//! How old a policy may be before calls are refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Mistake;

/// How long after a policy was last known to be what its source has calls still pass, by what they may do. The more harm
/// they could do, the sooner they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaxPolicyAge {
    /// Calls of tools that may destroy something: those that the policy does not say otherwise of.
    #[schemars(range(min = 1, max = 315_360_000))]
    pub destructive_seconds: u32,
    /// Calls of tools that may change something, and destroy nothing.
    #[schemars(range(min = 1, max = 315_360_000))]
    pub additive_seconds: u32,
    /// Calls of tools that change nothing; beyond, no call passes.
    #[schemars(range(min = 1, max = 315_360_000))]
    pub read_only_seconds: u32,
}

impl Default for MaxPolicyAge {
    /// An hour, a day, a week.
    fn default() -> Self {
        Self { destructive_seconds: 3600, additive_seconds: 24 * 3600, read_only_seconds: 7 * 24 * 3600 }
    }
}

impl MaxPolicyAge {
    /// What may do more harm is not let through for longer.
    pub(crate) fn check(&self, path: &str, mistakes: &mut Vec<Mistake>) {
        let pairs = [
            ("additive_seconds", self.additive_seconds, "destructive_seconds", self.destructive_seconds),
            ("read_only_seconds", self.read_only_seconds, "additive_seconds", self.additive_seconds),
        ];
        for (longer, longer_seconds, shorter, shorter_seconds) in pairs {
            if longer_seconds < shorter_seconds {
                let what = format!("must not be less than `{shorter}`, which is {shorter_seconds}");
                mistakes.push(Mistake::at(format!("{path}.{longer}"), what));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_do_more_harm_is_not_let_through_for_longer() {
        for (ages, expected) in [
            ([3600, 86_400, 604_800], None),
            ([60, 60, 60], None),
            ([61, 60, 60], Some("at.additive_seconds")),
            ([60, 60, 59], Some("at.read_only_seconds")),
        ] {
            let [destructive_seconds, additive_seconds, read_only_seconds] = ages;
            let mut mistakes = Vec::new();
            MaxPolicyAge { destructive_seconds, additive_seconds, read_only_seconds }
                .check("at", &mut mistakes);
            assert_eq!(mistakes.first().map(|mistake| mistake.path.as_str()), expected, "{ages:?}");
        }
    }
}
