//! Beginnings of names: which of them a name begins with, the longest first.
//!
//! Found by a binary search over the lengths of patterns (Waldvogel, Varghese, Turner and Plattner,
//! "Scalable high speed IP routing lookups", SIGCOMM 1997): for each pattern, the shorter beginnings of it
//! that the search passes through are in the table too, as markers. A lookup hashes at most
//! log2(lengths) + 1 beginnings of the name, however many patterns there are.

use hashbrown::HashMap;

use super::levels::Levels;
use super::name::Name;

/// All patterns of one dimension.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// The lengths of patterns in bytes, ascending, each once.
    lengths: Box<[usize]>,
    /// The index in `patterns` of the longest pattern that the beginning itself begins with, if any.
    beginnings: HashMap<Name, Option<u32>>,
    patterns: Box<[Pattern]>,
}

#[derive(Debug)]
struct Pattern {
    id: u32,
    /// The levels that hold a rule with this pattern, or with one that it begins with.
    levels: Levels,
    /// The index of the next shorter pattern that this one begins with.
    shorter: Option<u32>,
}

/// The ids of the patterns that one name begins with, longest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matching<'p> {
    patterns: &'p [Pattern],
    next: Option<u32>,
}

impl Patterns {
    /// The patterns that a name begins with.
    pub(super) fn matching(&self, name: &str) -> Option<Matching<'_>> {
        let mut longest = None;
        let mut lengths = self.lengths.as_ref();
        while !lengths.is_empty() {
            let (shorter, longer) = lengths.split_at(lengths.len() / 2);
            let (length, longer) = longer.split_first()?;
            match name.as_bytes().get(..*length).and_then(|beginning| self.beginnings.get(beginning)) {
                Some(found) => {
                    longest = *found;
                    lengths = longer;
                }
                None => lengths = shorter,
            }
        }
        longest.map(|longest| Matching { patterns: &self.patterns, next: Some(longest) })
    }
}

impl<'p> Matching<'p> {
    /// The levels that hold a rule with any of these.
    pub(super) fn levels(&self) -> Levels {
        self.first().map(|pattern| pattern.levels).unwrap_or_default()
    }

    fn first(&self) -> Option<&'p Pattern> {
        self.patterns.get(usize::try_from(self.next?).ok()?)
    }
}

impl Iterator for Matching<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let pattern = self.first()?;
        self.next = pattern.shorter;
        Some(pattern.id)
    }
}

/// Collects patterns.
#[derive(Debug, Default)]
pub(super) struct PatternsBuilder {
    ids: HashMap<Box<str>, (u32, Levels)>,
}

impl PatternsBuilder {
    /// The id of a pattern that rules of these levels have; `next_id` if it is new.
    pub(super) fn add(&mut self, prefix: &str, next_id: u32, levels: Levels) -> u32 {
        let (id, held) = self.ids.entry(prefix.into()).or_insert((next_id, Levels::NONE));
        *held = held.or(levels);
        *id
    }

    pub(super) fn build(self) -> Patterns {
        let mut lengths: Vec<usize> = self.ids.keys().map(|prefix| prefix.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let mut sorted: Vec<(Box<str>, (u32, Levels))> = self.ids.into_iter().collect();
        sorted.sort_unstable_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        let patterns = link(&sorted);
        let mut beginnings: HashMap<Name, Option<u32>> = HashMap::new();
        for ((prefix, _), index) in sorted.iter().zip(0u32..) {
            for length in probes(&lengths, prefix.len()) {
                let beginning = prefix.as_bytes().get(..length).unwrap_or_default();
                // A marker stands for the longest pattern that is no longer than itself.
                let best = std::iter::successors(Some(index), |&at| at_index(&patterns, at)?.shorter)
                    .find(|&at| at_index(&sorted, at).is_some_and(|(prefix, _)| prefix.len() <= length));
                beginnings.entry(beginning.into()).or_insert(best);
            }
        }
        Patterns { lengths: lengths.into(), beginnings, patterns }
    }
}

/// Links each pattern with the next shorter one that it begins with. In byte order that one is the closest
/// before it which it begins with, and everything in between begins with that one too.
fn link(sorted: &[(Box<str>, (u32, Levels))]) -> Box<[Pattern]> {
    let mut patterns: Vec<Pattern> = Vec::with_capacity(sorted.len());
    let mut around: Vec<u32> = Vec::new();
    for ((prefix, (id, levels)), index) in sorted.iter().zip(0u32..) {
        while around
            .last()
            .and_then(|&outer| at_index(sorted, outer))
            .is_some_and(|(outer, _)| !prefix.starts_with(outer.as_ref()))
        {
            around.pop();
        }
        let shorter = around.last().copied();
        let outer_levels = shorter.and_then(|outer| at_index(&patterns, outer)).map(|outer| outer.levels);
        patterns.push(Pattern { id: *id, levels: levels.or(outer_levels.unwrap_or_default()), shorter });
        around.push(index);
    }
    patterns.into()
}

fn at_index<T>(items: &[T], index: u32) -> Option<&T> {
    items.get(usize::try_from(index).ok()?)
}

/// The lengths that the search for one of length `wanted` looks at and goes on upwards from, and itself.
fn probes(lengths: &[usize], wanted: usize) -> impl Iterator<Item = usize> + '_ {
    let mut rest = lengths;
    std::iter::from_fn(move || {
        loop {
            let (shorter, longer) = rest.split_at(rest.len() / 2);
            let (&length, longer) = longer.split_first()?;
            if length > wanted {
                rest = shorter;
                continue;
            }
            rest = if length == wanted { &[] } else { longer };
            return Some(length);
        }
    })
}
