//! The comparison in words: a section for each direction, a line for each change.

use std::fmt;

use serde_json::Value;

use super::{
    Calls, Comparison, Direction, Outcome, STEPS_MAX, SettingChange, ValueSet, Values, VerdictChange,
};

/// Most values of one dimension that a line lists.
const VALUES_SHOWN_MAX: usize = 8;
/// Longest value of a setting that is shown.
const SETTING_SHOWN_BYTES_MAX: usize = 200;

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections = [Some(Direction::Looser), Some(Direction::Stricter), Some(Direction::MayChange), None];
        for direction in sections {
            let verdicts = || self.verdicts.iter().filter(|change| Some(change.direction) == direction);
            let settings = || self.settings.iter().filter(|change| change.direction == direction);
            if verdicts().next().is_none() && settings().next().is_none() {
                continue;
            }
            writeln!(f, "{}", direction.map_or("settings", Direction::as_str))?;
            settings().try_for_each(|change| writeln!(f, "  {}", OneLine(change)))?;
            verdicts().try_for_each(|change| writeln!(f, "  {}", OneLine(change)))?;
        }
        if !self.complete {
            writeln!(f, "incomplete: stopped after {STEPS_MAX} steps; there may be more differences")?;
        } else if !self.has_differences() {
            writeln!(f, "no difference")?;
        }
        Ok(())
    }
}

/// Keeps a line one line, whatever control characters a document put into a name.
struct OneLine<T>(T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.to_string().chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })
    }
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Looser => "looser",
            Self::Stricter => "stricter",
            Self::MayChange => "may change",
        }
    }
}

impl fmt::Display for VerdictChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.calls, self.old, self.new)?;
        for (position, rule) in self.unless.iter().take(VALUES_SHOWN_MAX).enumerate() {
            write!(f, "{} `{rule}`", if position == 0 { ", unless a condition holds:" } else { "," })?;
        }
        more(f, self.unless.len())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.permission, self.level)?;
        if let Some(rule) = &self.rule {
            write!(f, ", rule `{rule}`")?;
        }
        if self.conditional {
            f.write_str(" if its condition holds")?;
        }
        f.write_str(if self.clamped { ", clamped)" } else { ")" })
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dimensions = [
            ("tool", &self.tool),
            ("tenant", &self.tenant),
            ("resource", &self.resource),
            ("method", &self.method),
        ];
        let mut named = dimensions.iter().filter_map(|(name, values)| Some((name, (*values).as_ref()?)));
        let Some((name, values)) = named.next() else { return f.write_str("every call") };
        write!(f, "{name} {values}")?;
        named.try_for_each(|(name, values)| write!(f, "; {name} {values}"))
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(set) => write!(f, "{set}"),
            Self::AllBut(set) => write!(f, "any but {set}"),
        }
    }
}

impl fmt::Display for ValueSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = match (self.other, self.absent) {
            (true, true) => Some("any other or none"),
            (true, false) => Some("any other"),
            (false, true) => Some("none"),
            (false, false) => None,
        };
        let names = self.names.iter().map(|name| format!("`{name}`"));
        let named = names.chain(self.prefixes.iter().map(|prefix| format!("`{prefix}*`")));
        let shown = rest.map(str::to_owned).into_iter().chain(named).take(VALUES_SHOWN_MAX);
        f.write_str(&shown.collect::<Vec<_>>().join(", "))?;
        let count = self.names.len().saturating_add(self.prefixes.len());
        more(f, count.saturating_add(usize::from(rest.is_some())))
    }
}

fn more(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    let left_out = count.saturating_sub(VALUES_SHOWN_MAX);
    if left_out > 0 { write!(f, " and {left_out} more") } else { Ok(()) }
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tool) = &self.tool {
            write!(f, "tool `{tool}`: ")?;
        }
        if let Some(category) = &self.category {
            write!(f, "category `{category}`: ")?;
        }
        write!(f, "{} {} -> {}", self.field, Shown(&self.old), Shown(&self.new))
    }
}

/// A value as a line can show it.
struct Shown<'v>(&'v Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("not set"),
            Value::String(text) => f.write_str(text),
            value => {
                let text = value.to_string();
                let is_long = text.len() > SETTING_SHOWN_BYTES_MAX;
                if is_long { write!(f, "{} bytes", text.len()) } else { f.write_str(&text) }
            }
        }
    }
}
