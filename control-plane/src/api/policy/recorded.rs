//! What a candidate for the policy would make of recorded calls, for people: calls of the same coordinates that change in
//! the same way are one line.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::hash::Hash;

use policy::UnixMillis;
use policy::diff::Direction;
use policy::replay::{Decided, Replayed};
use serde::Serialize;
use utoipa::ToSchema;

use crate::policies::{Recorded, Replay};

/// Most entries that are answered, of those that change and of those that are not decided.
const ENTRIES_MAX: usize = 100;

/// The newest recorded calls, decided again. Verdicts differ if their permissions do.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedDiff)]
pub(in crate::api) struct RecordedDocument {
    /// How many were decided again.
    calls: usize,
    /// Nothing was left out. Otherwise there was no time for all calls, or there are more kinds of them than are listed.
    complete: bool,
    /// Calls that would go through more easily.
    looser: usize,
    /// Calls that would go through less easily.
    stricter: usize,
    /// Calls of which that cannot be said, as it depends on what is not recorded.
    undecided: usize,
    /// Looser ones first, then by how many they are.
    changes: Vec<ChangeDocument>,
    /// By how many they are.
    not_decided: Vec<UndecidedDocument>,
    /// The same in words.
    lines: Vec<String>,
}

/// Recorded calls whose verdict changes in the same way.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedChange)]
struct ChangeDocument {
    #[schema(value_type = String)]
    direction: Direction,
    #[serde(flatten)]
    calls: CallsDocument,
    #[schema(inline)]
    old: DecidedDocument,
    #[schema(inline)]
    new: DecidedDocument,
}

/// Recorded calls that are not decided.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedUndecided)]
struct UndecidedDocument {
    #[serde(flatten)]
    calls: CallsDocument,
    /// Some of `args`, `caller`, `definition` and `reasoning`.
    depends_on: Vec<&'static str>,
}

/// Recorded calls of the same coordinates.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedCalls)]
struct CallsDocument {
    /// How many they are.
    calls: usize,
    /// When the newest of them was decided.
    #[schema(value_type = u64)]
    newest_at_unix_ms: UnixMillis,
    tool: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
}

/// A verdict on recorded calls.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedVerdict)]
struct DecidedDocument {
    /// `allowed`, `requires_approval` or `disabled`.
    permission: &'static str,
    /// The level of the cascade that decided; absent if it is one of several, and which depends on what is not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    /// The rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// It would be `allowed`, but nobody has accepted the tool yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clamped: bool,
}

impl RecordedDocument {
    pub(super) fn new(replay: Replay) -> Self {
        let Replay { calls, is_complete } = replay;
        let count = calls.len();
        let (mut changes, mut not_decided) = (Groups::default(), Groups::default());
        for (call, replayed) in calls {
            match replayed {
                Replayed::Same => {}
                Replayed::Changed { old, new } => changes.add(call, (old, new)),
                Replayed::Undecided { depends_on } => not_decided.add(call, depends_on),
            }
        }
        let undecided = not_decided.calls_count;
        let mut changes: Vec<_> = changes.take().map(ChangeDocument::new).collect();
        changes.sort_by_key(|change| change.direction);
        let in_direction = |direction| {
            let changes = changes.iter().filter(|change| change.direction == direction);
            changes.map(|change| change.calls.calls).sum()
        };
        let (looser, stricter) = (in_direction(Direction::Looser), in_direction(Direction::Stricter));
        let mut not_decided: Vec<_> =
            not_decided.take().map(|(calls, depends_on)| UndecidedDocument { calls, depends_on }).collect();
        let complete = is_complete && changes.len().max(not_decided.len()) <= ENTRIES_MAX;
        changes.truncate(ENTRIES_MAX);
        not_decided.truncate(ENTRIES_MAX);
        let lines = Vec::new();
        let document =
            Self { calls: count, complete, looser, stricter, undecided, changes, not_decided, lines };
        Self { lines: document.lines(), ..document }
    }

    fn lines(&self) -> Vec<String> {
        let Self { calls, looser, stricter, undecided, .. } = self;
        if *calls == 0 {
            return vec!["no recorded calls".to_owned()];
        }
        let mut lines = vec![format!(
            "last {calls} recorded calls: {looser} looser, {stricter} stricter, {undecided} not decidable"
        )];
        let of_all = |group: &CallsDocument| format!("{} of the last {calls}", group.calls);
        lines.extend(self.changes.iter().map(|change| {
            let ChangeDocument { calls, old, new, .. } = change;
            format!("  {calls}: {old} -> {new}, {}", of_all(calls))
        }));
        lines.extend(self.not_decided.iter().map(|UndecidedDocument { calls, depends_on }| {
            let parts: Vec<_> = depends_on.iter().map(|part| in_words(part)).collect();
            format!("  {calls}: not decidable: depends on {}, {}", parts.join(" and "), of_all(calls))
        }));
        if !self.complete {
            lines.push("  incomplete: there may be more".to_owned());
        }
        lines
    }
}

fn in_words(part: &str) -> &str {
    match part {
        "args" => "arguments",
        "caller" => "more of the caller than its id",
        "definition" => "the tool's definition",
        other => other,
    }
}

/// Calls by their coordinates and what becomes of them.
struct Groups<K> {
    groups: HashMap<(Coordinates, K), (usize, UnixMillis)>,
    calls_count: usize,
}

type Coordinates = (String, Option<String>, Option<String>, Option<String>);

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self { groups: HashMap::new(), calls_count: 0 }
    }
}

impl<K: Eq + Hash> Groups<K> {
    fn add(&mut self, call: Recorded, key: K) {
        let Recorded { at, tool, tenant, resource, method, .. } = call;
        let (count, newest_at) =
            self.groups.entry(((tool, tenant, resource, method), key)).or_insert((0, at));
        *count = count.saturating_add(1);
        *newest_at = at.max(*newest_at);
        self.calls_count = self.calls_count.saturating_add(1);
    }

    /// The largest first, then in the order of their names.
    fn take(self) -> impl Iterator<Item = (CallsDocument, K)> {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_by(|((coordinates, _), (count, at)), ((others, _), (other_count, other_at))| {
            (other_count, coordinates, other_at).cmp(&(count, others, at))
        });
        groups.into_iter().map(|(((tool, tenant, resource, method), key), (calls, newest_at_unix_ms))| {
            (CallsDocument { calls, newest_at_unix_ms, tool, tenant, resource, method }, key)
        })
    }
}

impl ChangeDocument {
    fn new((calls, (old, new)): (CallsDocument, (Decided, Decided))) -> Self {
        let direction = if new.permission < old.permission { Direction::Looser } else { Direction::Stricter };
        Self { direction, calls, old: old.into(), new: new.into() }
    }
}

impl From<Decided> for DecidedDocument {
    fn from(decided: Decided) -> Self {
        Self {
            permission: decided.permission.as_str(),
            level: decided.level.map(policy::Level::as_str),
            rule: decided.rule.map(|rule| rule.as_ref().to_owned()),
            clamped: decided.clamped,
        }
    }
}

impl fmt::Display for CallsDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tool {}", Name(&self.tool))?;
        let rest = [("tenant", &self.tenant), ("resource", &self.resource), ("method", &self.method)];
        rest.into_iter()
            .filter_map(|(dimension, value)| Some((dimension, value.as_ref()?)))
            .try_for_each(|(dimension, value)| write!(f, "; {dimension} {}", Name(value)))
    }
}

impl fmt::Display for DecidedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.permission)?;
        let Some(level) = self.level else { return Ok(()) };
        write!(f, " ({level}")?;
        self.rule.iter().try_for_each(|rule| write!(f, ", rule {}", Name(rule)))?;
        f.write_str(if self.clamped { ", clamped)" } else { ")" })
    }
}

/// A name in backticks, on one line whatever is in it.
struct Name<'n>(&'n str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        self.0.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })?;
        f.write_char('`')
    }
}
