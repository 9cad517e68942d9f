//! Tables for a terminal: as wide as it is. Where there is none, a row is a line, however long.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde_json::Value;

use crate::terminal::{say, visible, visible_json};

/// Longest text in a cell: as long as a name may be. `--json` cuts nothing.
const CELL_CHARS_MAX: usize = 256;

/// Prints items of a list: as JSON, an object a line; or as a table of these members, or a word if there are none.
pub(crate) fn show(items: &[Value], json: bool, members: &[&str], none: &str) {
    if json {
        items.iter().map(|item| visible_json(&item.to_string())).for_each(say);
    } else if items.is_empty() {
        say(none);
    } else {
        print(members.iter().map(|member| title(member)).collect(), rows(items, members));
    }
}

/// The same of a list that goes on: the header only where it begins, nothing where nothing is new.
pub(crate) fn show_more(items: &[Value], json: bool, members: &[&str], is_first: bool) {
    if json {
        show(items, true, members, "");
    } else if is_first || !items.is_empty() {
        let header = if is_first { members.iter().map(|member| title(member)).collect() } else { Vec::new() };
        print(header, rows(items, members));
    }
}

/// Prints one thing: indented, or as one line.
pub(crate) fn show_one(document: &Value, json: bool) {
    if json {
        say(visible_json(&document.to_string()));
    } else {
        say(visible_json(&serde_json::to_string_pretty(document).unwrap_or_default()));
    }
}

fn rows<'i>(items: &'i [Value], members: &'i [&str]) -> impl Iterator<Item = Vec<String>> + 'i {
    items.iter().map(|item| members.iter().map(|member| cell(item, member)).collect())
}

/// Prints a table.
pub(crate) fn print(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) {
    say(lines(header, rows, None));
}

/// A table of that width; `None`: of the terminal's, if there is one.
fn lines(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_width(width);
    }
    if !header.is_empty() {
        table.set_header(header);
    }
    table.add_rows(rows.map(|row| row.iter().map(|cell| shown(cell)).collect::<Vec<_>>()));
    if table.width().is_some_and(|width| width > 0) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// A text with nothing in it that acts on a terminal, and not too long.
fn shown(text: &str) -> String {
    let clean = visible(text);
    if clean.chars().count() <= CELL_CHARS_MAX {
        return clean;
    }
    clean.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect()
}

/// The heading of a member: `created_at_unix_ms` is CREATED AT.
fn title(member: &str) -> String {
    let name = member.rsplit('/').next().unwrap_or(member);
    name.trim_end_matches("_unix_ms").replace('_', " ").to_uppercase()
}

/// A member of an item; one inside another is named `outer/inner`, and one of each of several `outer/*/inner`.
fn cell(item: &Value, member: &str) -> String {
    if let Some((outer, inner)) = member.split_once("/*/") {
        let several = item.get(outer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        return several.iter().map(|one| cell(one, inner)).collect::<Vec<_>>().join(", ");
    }
    match item.pointer(&format!("/{member}")) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(is)) => if *is { "yes" } else { "no" }.to_owned(),
        Some(Value::Number(number)) if member.ends_with("_unix_ms") => {
            number.as_i64().and_then(time).unwrap_or_else(|| number.to_string())
        }
        Some(Value::Array(values)) if values.iter().all(Value::is_string) => {
            values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// A moment by the second (RFC 3339).
pub(crate) fn time(unix_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(unix_ms).ok().map(|moment| format!("{moment:.0}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_words_for_people() {
        let item = json!({"id": "a", "at_unix_ms": 1_777_626_000_123_u64, "good": true, "tags": ["x", "y"],
                          "policy": {"rule": null, "level": "org"}, "args": {"a": 1},
                          "secrets": [{"prefix": "oak_a"}, {"prefix": "oak_b"}]});
        for (member, heading, text) in [
            ("id", "ID", "a"),
            ("at_unix_ms", "AT", "2026-05-01T09:00:00Z"),
            ("good", "GOOD", "yes"),
            ("tags", "TAGS", "x, y"),
            ("policy/rule", "RULE", "-"),
            ("policy/level", "LEVEL", "org"),
            ("secrets/*/prefix", "PREFIX", "oak_a, oak_b"),
            ("args", "ARGS", r#"{"a":1}"#),
            ("not_there", "NOT THERE", "-"),
        ] {
            assert_eq!((title(member).as_str(), cell(&item, member).as_str()), (heading, text));
        }
    }

    #[test]
    fn a_table_is_no_wider_than_it_may_be_and_hostile_text_is_only_text() {
        let hostile = format!("evil\u{1b}]0;x\u{7}\u{202e}\n{}", "long ".repeat(60));
        let rows = || {
            vec![vec!["a".to_owned(), hostile.clone()], vec!["日本".to_owned(), "x".repeat(300)]].into_iter()
        };
        let header = || vec!["NAME".to_owned(), "DESCRIPTION".to_owned()];
        let narrow = lines(header(), rows(), Some(60));
        assert!(narrow.lines().count() > 3);
        assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
        let wide = lines(header(), rows(), None);
        assert_eq!(wide.lines().count(), 3, "a row is a line where there is no terminal: {wide}");
        assert!(wide.contains(r"evil\u{1b}]0;x\u{7}\u{202e}\n"), "{wide}");
        assert!(wide.lines().nth(2).is_some_and(|line| line.ends_with("x…")), "{wide}");
    }
}
