//! How one text differs from another: what to cut out of the old one, and what to put in its place.
//!
//! Policies have an entry a line, so lines are compared. Whoever applies a delta checks the result against a signed digest:
//! a wrong one does no harm.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// At `at` bytes of the old text, `remove` bytes are replaced. Edits stand in order and do not overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Bytes of the old text before it.
    pub at: usize,
    /// Bytes of the old text that go.
    pub remove: usize,
    /// What comes in their place.
    pub insert: String,
}

/// The edits are not of the text that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the edits are not of the text that is held")]
pub(crate) struct EditsDoNotFit;

/// From one text to another. Takes time in proportion to their lengths, but for a sort.
pub(crate) fn edits(old: &str, new: &str) -> Vec<Edit> {
    let (old, new) = (Lines::of(old), Lines::of(new));
    let mut edits = Vec::new();
    let (mut from_old, mut from_new) = (0, 0);
    let end = (old.count(), new.count());
    for (anchor_old, anchor_new) in anchors(&old, &new).into_iter().chain([end]) {
        let (mut to_old, mut to_new) = (anchor_old, anchor_new);
        while from_old < to_old && from_new < to_new && old.line(from_old) == new.line(from_new) {
            (from_old, from_new) = (from_old + 1, from_new + 1);
        }
        while from_old < to_old && from_new < to_new && old.line(to_old - 1) == new.line(to_new - 1) {
            (to_old, to_new) = (to_old - 1, to_new - 1);
        }
        if (from_old, from_new) != (to_old, to_new) {
            let at = old.start(from_old);
            let remove = old.start(to_old).saturating_sub(at);
            edits.push(Edit { at, remove, insert: new.between(from_new, to_new).to_owned() });
        }
        (from_old, from_new) = (anchor_old + 1, anchor_new + 1);
    }
    edits
}

/// The text after the edits, which has `new_bytes` bytes.
pub(crate) fn apply(old: &str, edits: &[Edit], new_bytes: usize) -> Result<String, EditsDoNotFit> {
    let inserted: usize = edits.iter().map(|edit| edit.insert.len()).sum();
    if new_bytes > old.len().saturating_add(inserted) {
        return Err(EditsDoNotFit);
    }
    let mut new = String::with_capacity(new_bytes);
    let mut done = 0;
    for Edit { at, remove, insert } in edits {
        new.push_str(old.get(done..*at).ok_or(EditsDoNotFit)?);
        new.push_str(insert);
        done = at.checked_add(*remove).ok_or(EditsDoNotFit)?;
    }
    new.push_str(old.get(done..).ok_or(EditsDoNotFit)?);
    if new.len() == new_bytes { Ok(new) } else { Err(EditsDoNotFit) }
}

/// A text by its lines, each with its end.
struct Lines<'t> {
    text: &'t str,
    /// Where each line begins, and where the last one ends.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let ends = text.split_inclusive('\n').scan(0, |end, line| {
            *end += line.len();
            Some(*end)
        });
        Self { text, starts: [0].into_iter().chain(ends).collect() }
    }

    fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn start(&self, line: usize) -> usize {
        self.starts.get(line).copied().unwrap_or(self.text.len())
    }

    fn line(&self, line: usize) -> &'t str {
        self.between(line, line + 1)
    }

    fn between(&self, from: usize, to: usize) -> &'t str {
        self.text.get(self.start(from)..self.start(to)).unwrap_or_default()
    }
}

/// Lines that stay where they are: of those that both texts have exactly once, the longest row that stands in the same
/// order in both.
fn anchors(old: &Lines<'_>, new: &Lines<'_>) -> Vec<(usize, usize)> {
    let once = once(old);
    let only_in_new = self::once(new);
    let mut pairs: Vec<(usize, usize)> =
        only_in_new.iter().filter_map(|(line, place)| Some(((*once.get(line)?)?, (*place)?))).collect();
    pairs.sort_unstable_by_key(|(_, new)| *new);
    longest_rising(&pairs)
}

/// The lines of a text with their places; those that come again have none.
fn once<'t>(lines: &Lines<'t>) -> HashMap<&'t str, Option<usize>> {
    let mut places = HashMap::with_capacity(lines.count());
    for place in 0..lines.count() {
        places.entry(lines.line(place)).and_modify(|known| *known = None).or_insert(Some(place));
    }
    places
}

/// The longest row of pairs, which are in the order of their second numbers, whose first ones rise too.
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // Per length, the pair that ends a rising row so long with the lowest number.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let first = |place: usize| pairs.get(place).map_or(0, |pair| pair.0);
    for (place, pair) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| first(*end) < pair.0);
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter)).copied());
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut row = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(place) = next {
        row.extend(pairs.get(place).copied());
        next = before.get(place).copied().flatten();
    }
    row.reverse();
    row
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edit(at: usize, remove: usize, insert: &str) -> Edit {
        Edit { at, remove, insert: insert.to_owned() }
    }

    #[test]
    fn a_changed_line_is_one_edit() {
        let cases = [
            ("", "", vec![]),
            ("a\nb\nc\n", "a\nb\nc\n", vec![]),
            ("a\nb\nc\n", "a\nB\nc\n", vec![edit(2, 2, "B\n")]),
            ("a\nc\n", "a\nb\nc\n", vec![edit(2, 0, "b\n")]),
            ("a\nb\nc", "a\nc", vec![edit(2, 2, "")]),
            ("a\n", "a\nb", vec![edit(2, 0, "b")]),
            ("a\nb\nc\nd\n", "d\na\nb\nc\n", vec![edit(0, 0, "d\n"), edit(6, 2, "")]),
        ];
        for (old, new, expected) in cases {
            assert_eq!(edits(old, new), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn edits_of_another_text_do_not_fit() {
        let two_bytes = "\u{e9}";
        let cases = [
            ("ab", vec![edit(3, 0, "")], 2),
            ("ab", vec![edit(1, 2, "")], 1),
            ("ab", vec![edit(1, 0, "x"), edit(0, 0, "y")], 4),
            ("ab", vec![edit(0, usize::MAX, "x")], 1),
            ("ab", vec![edit(1, usize::MAX, "x")], 1),
            (two_bytes, vec![edit(1, 0, "")], 2),
            ("ab", vec![edit(0, 0, "x")], 2),
            ("ab", vec![], usize::MAX),
        ];
        for (old, edits, new_bytes) in cases {
            assert_eq!(apply(old, &edits, new_bytes), Err(EditsDoNotFit), "{old:?} {edits:?}");
        }
    }

    proptest! {
        #[test]
        fn edits_lead_from_one_text_to_the_other(old in "[ab\n]{0,24}", new in "[abc\n]{0,24}") {
            prop_assert_eq!(apply(&old, &edits(&old, &new), new.len()), Ok(new));
        }

        #[test]
        fn lines_that_stay_are_not_sent(count in 1usize..200, changed in 0usize..200) {
            let line = |number: usize, what: &str| format!("{{\"id\":{number},\"what\":\"{what}\"}},\n");
            let old: String = (0..count).map(|number| line(number, "old")).collect();
            let new: String = (0..count).map(|number| line(number, if number == changed { "new" } else { "old" })).collect();
            let edits = edits(&old, &new);
            prop_assert_eq!(edits.len(), usize::from(changed < count));
            prop_assert_eq!(apply(&old, &edits, new.len()), Ok(new));
        }
    }
}
