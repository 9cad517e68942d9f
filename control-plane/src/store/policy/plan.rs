//! What has to be written so that the pieces of one revision become those of the next: as little as possible.
//!
//! Pieces whose contents and order stay are left alone. Positions have gaps between them, so that a piece can be put
//! between two others without touching those; when a gap is used up, all of that kind are written anew, because
//! pieces of older revisions keep their positions.

use std::collections::HashMap;

use super::{Piece, PieceKind};

/// Between the positions of two pieces, at first.
const GAP: i64 = 1 << 20;

/// A piece as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPiece {
    pub(crate) kind: PieceKind,
    pub(crate) name: String,
    pub(crate) body: String,
}

/// What ends and what begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    closed: Vec<(PieceKind, String)>,
    /// Its revisions are not known yet.
    pub(super) added: Vec<Piece>,
}

impl Plan {
    /// From the pieces of one revision to those of the next; in both, those of one kind stand in their order, and
    /// each has a name of its own.
    pub(crate) fn new(old: &[Piece], new: &[NewPiece]) -> Self {
        let mut plan = Self::default();
        for kind in PieceKind::ALL {
            let old: Vec<_> = old.iter().filter(|piece| piece.kind == kind).collect();
            let new: Vec<_> = new.iter().filter(|piece| piece.kind == kind).collect();
            plan.add(&old, &new);
        }
        plan
    }

    /// Whether it changes nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.added.is_empty()
    }

    /// The names of the pieces of one kind that end.
    pub(super) fn closed(&self, kind: PieceKind) -> impl Iterator<Item = &str> {
        self.closed.iter().filter(move |(closed, _)| *closed == kind).map(|(_, name)| name.as_str())
    }

    /// The same for the pieces of one kind.
    fn add(&mut self, old: &[&Piece], new: &[&NewPiece]) {
        let mut kept = kept(old, new);
        let positions = positions(&kept).unwrap_or_else(|| {
            kept.fill(None);
            (1..).take(new.len()).map(|place: i64| place.saturating_mul(GAP)).collect()
        });
        let mut staying = kept.iter().flatten().copied().peekable();
        for piece in old {
            if staying.next_if_eq(&piece.position).is_none() {
                self.closed.push((piece.kind, piece.name.clone()));
            }
        }
        for ((piece, kept), position) in new.iter().zip(&kept).zip(positions) {
            if kept.is_none() {
                let NewPiece { kind, name, body } = (*piece).clone();
                self.added.push(Piece { kind, name, position, body, from_revision: 0 });
            }
        }
    }
}

/// For each new piece the position of the old one that it is, if that can stay: the longest rising subsequence of
/// the old positions of pieces that did not change.
fn kept(old: &[&Piece], new: &[&NewPiece]) -> Vec<Option<i64>> {
    let by_name: HashMap<&str, &Piece> = old.iter().map(|piece| (piece.name.as_str(), *piece)).collect();
    let unchanged: Vec<Option<i64>> = new
        .iter()
        .map(|piece| by_name.get(piece.name.as_str()).filter(|old| old.body == piece.body))
        .map(|piece| piece.map(|piece| piece.position))
        .collect();
    // Per length, the place and position of the lowest end of a rising subsequence so long.
    let mut ends: Vec<(usize, i64)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; new.len()];
    for (place, position) in unchanged.iter().enumerate() {
        let Some(position) = *position else { continue };
        let length = ends.partition_point(|(_, end)| *end < position);
        if let Some(before) = before.get_mut(place) {
            *before = length.checked_sub(1).and_then(|shorter| ends.get(shorter)).map(|(end, _)| *end);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (place, position),
            None => ends.push((place, position)),
        }
    }
    let mut kept = vec![None; new.len()];
    let mut next = ends.last().map(|(place, _)| *place);
    while let Some(place) = next {
        if let (Some(kept), Some(position)) = (kept.get_mut(place), unchanged.get(place)) {
            *kept = *position;
        }
        next = before.get(place).copied().flatten();
    }
    kept
}

/// A position for each piece, between those that stay; `None` if some gap has no room.
fn positions(kept: &[Option<i64>]) -> Option<Vec<i64>> {
    let mut positions: Vec<i64> = Vec::with_capacity(kept.len());
    let mut before: Option<i64> = None;
    let mut rest = kept;
    while !rest.is_empty() {
        let moving = rest.iter().take_while(|position| position.is_none()).count();
        let (run, others) = rest.split_at_checked(moving)?;
        let after = others.first().copied().flatten();
        let count = i64::try_from(run.len()).ok()?;
        let (start, step) = match (before, after) {
            (Some(before), Some(after)) => {
                (before, after.checked_sub(before)?.checked_div(count.checked_add(1)?)?)
            }
            (None, Some(after)) => (after.checked_sub(GAP.checked_mul(count.checked_add(1)?)?)?, GAP),
            (before, None) => (before.unwrap_or(0), GAP),
        };
        if step == 0 {
            return None;
        }
        for place in 1..=count {
            positions.push(start.checked_add(step.checked_mul(place)?)?);
        }
        positions.extend(after);
        before = after;
        rest = others.get(1..).unwrap_or_default();
    }
    Some(positions)
}

#[cfg(test)]
mod tests;
