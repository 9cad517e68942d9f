//! Why a verdict is what it is: every level looked at, in order, and what was found there.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::observer::{Observer, Outcome};
use super::seen::{Seen, SeenValue};
use crate::{Level, Permission, Verdict};

/// The account of one walk. As JSON it is `{"verdict":…,"steps":[…]}`; `Display` says it in words, a line a level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fault_decides: bool,
    steps: Vec<Step>,
    /// The levels of rules that have not been looked at yet, the next one last.
    #[serde(skip)]
    ahead: Vec<Level>,
}

/// One level that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub level: Level,
    /// The rules there that match the call, in the order in which they were considered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Considered>,
    /// The verdict comes from here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub decides: bool,
}

/// One rule that matches the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// Its id.
    pub rule: Arc<str>,
    /// What it says.
    pub permission: Permission,
    /// What its condition says: `always` if it has none, `holds`, `does-not-hold` or `faults`.
    pub condition: &'static str,
    /// Why its condition could not be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What its condition saw of the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<SeenValue>,
}

impl Explanation {
    /// The verdict; `None` before the walk has ended.
    #[must_use]
    pub const fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Every level looked at, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn step(&mut self, level: Level) {
        self.steps.push(Step { level, rules: Vec::new(), decides: false });
    }
}

impl Observer for Explanation {
    fn begins(&mut self, levels: &[Level]) {
        self.ahead = levels.iter().rev().copied().collect();
        self.step(Level::ToolDisabled);
    }

    fn level(&mut self, level: Level) {
        // A level without a rule for this call is passed over in the walk, and yet has been looked at.
        while let Some(passed) = self.ahead.pop() {
            if passed == level {
                break;
            }
            self.step(passed);
        }
        self.step(level);
    }

    fn rule(&mut self, id: &str, permission: Permission, outcome: Outcome<'_>) {
        let (condition, fault) = match outcome {
            Outcome::Always => ("always", None),
            Outcome::Holds => ("holds", None),
            Outcome::DoesNotHold => ("does-not-hold", None),
            Outcome::Faults(fault) => ("faults", Some(fault.to_string())),
        };
        if let Some(step) = self.steps.last_mut() {
            step.rules.push(Considered { rule: id.into(), permission, condition, fault, saw: Vec::new() });
        }
    }

    fn saw(&mut self, seen: Seen<'_, '_>) {
        if let Some(rule) = self.steps.last_mut().and_then(|step| step.rules.last_mut()) {
            rule.saw = seen.values();
        }
    }

    fn fault_decides(&mut self) {
        self.fault_decides = true;
    }

    fn ends(&mut self, verdict: &Verdict) {
        self.steps.iter_mut().filter(|step| step.level == verdict.level).for_each(|step| step.decides = true);
        self.verdict = Some(verdict.clone());
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        let Some(verdict) = &self.verdict else { return Ok(()) };
        if self.fault_decides {
            writeln!(
                f,
                "a rule whose condition could not be evaluated decides, being stricter than what was found"
            )?;
        }
        if verdict.definition_changed {
            writeln!(
                f,
                "the tool's definition is not the accepted one: it is a draft until somebody accepts it"
            )?;
        } else if verdict.clamped {
            writeln!(
                f,
                "draft clamp: allowed becomes requires_approval, as this tool is a draft or not listed"
            )?;
        }
        write!(f, "verdict: {} by {}", verdict.permission, verdict.level)?;
        if let Some(rule) = &verdict.rule {
            write!(f, ", rule `{rule}`")?;
        }
        write!(f, ", policy {}", verdict.revision)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.level)?;
        match (self.level, self.rules.is_empty()) {
            (Level::Rule(..), true) => f.write_str(": no rule matches"),
            (_, true) => f.write_str(if self.decides { ": decides" } else { ": does not apply" }),
            (_, false) => self.rules.iter().enumerate().try_for_each(|(position, rule)| {
                f.write_str(if position == 0 { ": " } else { "; " })?;
                write!(f, "{rule}")
            }),
        }
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}` says {}", self.rule, self.permission)?;
        match (self.condition, &self.fault) {
            (_, Some(fault)) => write!(f, ", but its condition cannot be evaluated: {fault}")?,
            ("holds", _) => f.write_str(", and its condition holds")?,
            ("does-not-hold", _) => f.write_str(", but its condition does not hold")?,
            _ => {}
        }
        self.saw.iter().enumerate().try_for_each(|(position, seen)| {
            f.write_str(if position == 0 { " (it saw " } else { ", " })?;
            write!(f, "{seen}")
        })?;
        if self.saw.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}
