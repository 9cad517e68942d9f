//! Cases: calls, and the verdicts that a policy is meant to give on them. `policy test` runs them.
//!
//! A file of cases is YAML or JSON, read whole or refused whole with every mistake in it.

mod fields;
mod mistake;
mod node;
mod reading;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub use self::mistake::{CaseMistake, CasesError, Whose};
use self::reading::Reading;
use crate::cascade::{Explanation, explain};
use crate::{Level, Permission, Query, Snapshot, UnixMillis};

/// Largest file of cases.
pub const CASES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most cases of one file.
pub const CASES_MAX: usize = 100_000;

/// The cases of one file: `cases: [{name, call, now?, expect}]`.
#[derive(Debug)]
pub struct Cases(Vec<Case>);

/// One call, and what is expected of its verdict.
#[derive(Debug)]
pub struct Case {
    name: String,
    query: Query,
    now: Option<UnixMillis>,
    expect: Expect,
}

/// What a verdict is expected to be. What is left out does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expect {
    /// The permission.
    pub permission: Permission,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// The id of the rule that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether the draft clamp applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamped: Option<bool>,
    /// The rules whose conditions fail, in the order in which they are met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<Vec<String>>,
}

/// How one case went. As JSON it is one entry of `policy test --json`; `Display` says it in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The case.
    pub name: String,
    /// The verdict is as expected.
    pub passed: bool,
    /// What is not as expected; empty if the case passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Unexpected>,
    /// How the verdict came about, with the verdict itself.
    pub explanation: Explanation,
}

/// One field of a verdict that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unexpected {
    /// The field.
    pub field: &'static str,
    /// What was expected.
    pub expected: String,
    /// What came; `none` if the verdict lacks the field.
    pub came: String,
}

impl Cases {
    /// Reads cases, YAML 1.2 or JSON.
    ///
    /// # Errors
    /// Every mistake in them, in the order in which they stand there.
    pub fn parse(text: &str) -> Result<Self, Vec<CasesError>> {
        Reading::default().finish(text).map(Self)
    }

    /// The cases, in the order in which they stand.
    #[must_use]
    pub fn as_slice(&self) -> &[Case] {
        &self.0
    }
}

impl Case {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks a policy, at the case's own time or else at `now`.
    #[must_use]
    pub fn run(&self, snapshot: &Snapshot, now: UnixMillis) -> CaseResult {
        let explanation = explain(snapshot, &self.query.call(), self.now.unwrap_or(now));
        let differences = self.expect.differences(&explanation);
        CaseResult { name: self.name.clone(), passed: differences.is_empty(), differences, explanation }
    }
}

impl Expect {
    fn differences(&self, explanation: &Explanation) -> Vec<Unexpected> {
        let verdict = explanation.verdict();
        let faults = |faults: &[String]| {
            if faults.is_empty() { "none".to_owned() } else { faults.join(", ") }
        };
        let fields = [
            (
                "permission",
                Some(self.permission.to_string()),
                verdict.map(|verdict| verdict.permission.to_string()),
            ),
            (
                "level",
                self.level.map(|level| level.to_string()),
                verdict.map(|verdict| verdict.level.to_string()),
            ),
            ("rule", self.rule.clone(), verdict.and_then(|verdict| Some(verdict.rule.as_ref()?.to_string()))),
            (
                "clamped",
                self.clamped.map(|clamped| clamped.to_string()),
                verdict.map(|verdict| verdict.clamped.to_string()),
            ),
            (
                "faults",
                self.faults.as_deref().map(faults),
                verdict.map(|verdict| {
                    faults(&verdict.faults.iter().map(|id| id.as_ref().to_owned()).collect::<Vec<_>>())
                }),
            ),
        ];
        fields
            .into_iter()
            .filter_map(|(field, expected, came)| {
                let (expected, came) = (expected?, came.unwrap_or_else(|| "none".to_owned()));
                (expected != came).then_some(Unexpected { field, expected, came })
            })
            .collect()
    }
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.escape_debug();
        if self.passed {
            return write!(f, "ok      {name}");
        }
        write!(f, "FAILED  {name}")?;
        for Unexpected { field, expected, came } in &self.differences {
            write!(f, "\n  {field}: expected {expected}, came {came}")?;
        }
        self.explanation.to_string().lines().try_for_each(|line| write!(f, "\n    {line}"))
    }
}
