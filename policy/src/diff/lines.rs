//! What was found, in as few lines as say all of it.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::names::{Class, Dimension, Named, Names, PerDimension};
use super::search::{Cell, Found};
use super::walk::Change;
use super::{Calls, ValueSet, Values, VerdictChange};

/// Up to so many values, values without a name are rather described by what they are not.
const EXCEPTIONS_MAX: usize = 8;

pub(super) fn lines(found: Found<'_>) -> Vec<VerdictChange> {
    let Found { names, mut cells, .. } = found;
    for dimension in [Dimension::Method, Dimension::Resource, Dimension::Tool, Dimension::Tenant] {
        cells = joined(dimension, cells);
    }
    let mut lines: Vec<VerdictChange> = cells.into_iter().map(|cell| line(&names, cell)).collect();
    // Stable, so that among equals the order is that of the names.
    lines.sort_by_key(|line| {
        let distance = (line.old.permission as u8).abs_diff(line.new.permission as u8);
        (line.direction, Reverse(distance))
    });
    lines
}

/// Makes one of all cells that differ in nothing but this dimension.
fn joined(dimension: Dimension, cells: Vec<Cell>) -> Vec<Cell> {
    let mut joined: Vec<Cell> = Vec::new();
    let mut places: HashMap<(PerDimension<Vec<usize>>, Change), usize> = HashMap::new();
    for mut cell in cells {
        let own = std::mem::take(cell.classes.of_mut(dimension));
        let place = *places.entry((cell.classes, cell.change)).or_insert_with_key(|(classes, change)| {
            joined.push(Cell { classes: classes.clone(), change: change.clone() });
            joined.len().saturating_sub(1)
        });
        if let Some(cell) = joined.get_mut(place) {
            cell.classes.of_mut(dimension).extend(own);
        }
    }
    for cell in &mut joined {
        cell.classes.of_mut(dimension).sort_unstable();
    }
    joined
}

fn line(names: &PerDimension<Names<'_>>, cell: Cell) -> VerdictChange {
    let of = |dimension| values(names.of(dimension), cell.classes.of(dimension));
    let calls = Calls {
        tool: of(Dimension::Tool),
        tenant: of(Dimension::Tenant),
        resource: of(Dimension::Resource),
        method: of(Dimension::Method),
    };
    let Change { direction, outcomes, unless } = cell.change;
    VerdictChange { direction, calls, old: outcomes.old, new: outcomes.new, unless }
}

/// The values of some classes; `None` if there are no others.
fn values(names: &Names<'_>, places: &[usize]) -> Option<Values> {
    let all = names.all();
    if places.len() == all.len() {
        return None;
    }
    let but_count = all.len().saturating_sub(places.len());
    let has_unnamed = places.iter().any(|place| names.class(*place).is_some_and(Class::is_unnamed));
    if has_unnamed && (but_count < places.len() || but_count <= EXCEPTIONS_MAX) {
        let mut others = places.iter().peekable();
        let but = all.filter(|place| others.next_if_eq(&place).is_none());
        return Some(Values::AllBut(set(names, but)));
    }
    Some(Values::Of(set(names, places.iter().copied())))
}

fn set(names: &Names<'_>, places: impl Iterator<Item = usize>) -> ValueSet {
    let mut set = ValueSet::default();
    for class in places.filter_map(|place| names.class(place)) {
        match class {
            Class::Named(Named::Exact(name)) => set.names.push(name.to_owned()),
            Class::Named(Named::Prefix(prefix)) => set.prefixes.push(prefix.to_owned()),
            Class::OtherOrAbsent => (set.other, set.absent) = (true, true),
            Class::Other => set.other = true,
            Class::Absent => set.absent = true,
        }
    }
    set
}
