//! `oakgate tools diff`: the accepted definition beside the one that is shown now.

use serde_json::Value;
use similar::TextDiff;

use super::{Side, Tool};
use crate::exit::{Done, Failure};
use crate::terminal::{say, visible};

/// Lines that are shown around a change.
const CONTEXT_LINES: usize = 3;

pub(super) fn run(tools: &[Tool]) -> Done {
    let changed: Vec<_> =
        tools.iter().filter_map(|tool| Some((tool, tool.accepted.as_ref()?, tool.seen.as_ref()?))).collect();
    for (tool, accepted, seen) in &changed {
        show(tool, accepted, seen);
    }
    for tool in tools.iter().filter(|tool| tool.seen.is_none()) {
        let (name, backend) = (visible(&tool.name), visible(&tool.backend));
        let stands =
            if tool.pin == "accepted" { "is what was accepted" } else { "is not pinned by the policy" };
        say(format!("`{name}` of `{backend}` {stands}"));
    }
    if changed.is_empty() { Ok(()) } else { Err(Failure::No) }
}

fn show(tool: &Tool, accepted: &Side, seen: &Side) {
    let digest = |side: &Side| side.sha256.clone().unwrap_or_else(|| "(no canonical form)".to_owned());
    say(format!("`{}` of `{}` is not what was accepted", visible(&tool.name), visible(&tool.backend)));
    say(format!("--- accepted {}", digest(accepted)));
    say(format!("+++ seen     {}", digest(seen)));
    match (&accepted.definition, &seen.definition) {
        (_, None) => say("its definition is too long to be kept, so what changed can't be shown"),
        (None, Some(seen)) => {
            say("the accepted definition was never seen by this process; what is shown now:");
            say(lines(seen).trim_end());
        }
        (Some(accepted), Some(seen)) => {
            let (accepted, seen) = (lines(accepted), lines(seen));
            let diff = TextDiff::from_lines(&accepted, &seen);
            say(diff.unified_diff().context_radius(CONTEXT_LINES).to_string().trim_end());
        }
    }
}

/// A definition line by line. Characters that do not show, or turn the direction of others, are written out: they are
/// where a change would hide.
fn lines(definition: &Value) -> String {
    let text = serde_json::to_string_pretty(definition).unwrap_or_default();
    text.lines().map(|line| visible(line) + "\n").collect()
}
