//! Random changes of random lists: what the plans leave reads as it should, now and of every revision before.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn new(name: &str, body: &str) -> NewPiece {
    NewPiece { kind: PieceKind::Rule, name: name.to_owned(), body: body.to_owned() }
}

/// The rows of a table: a piece, and the first revision without it.
#[derive(Default)]
struct Rows(Vec<(Piece, Option<u64>)>);

impl Rows {
    fn of(&self, revision: u64) -> Vec<Piece> {
        let has = |(piece, end): &&(Piece, Option<u64>)| {
            piece.from_revision <= revision && end.is_none_or(|end| end > revision)
        };
        let mut pieces: Vec<_> = self.0.iter().filter(has).map(|(piece, _)| piece.clone()).collect();
        pieces.sort_by_key(|piece| piece.position);
        pieces
    }

    /// Does what a plan says; gives how many rows were added.
    fn apply(&mut self, revision: u64, new: &[NewPiece]) -> usize {
        let plan = Plan::new(&self.of(revision - 1), new);
        for name in plan.closed(PieceKind::Rule) {
            let row = self.0.iter_mut().find(|(piece, end)| piece.name == name && end.is_none());
            row.unwrap().1 = Some(revision);
        }
        let added = plan.added.iter().cloned();
        self.0.extend(added.map(|piece| (Piece { from_revision: revision, ..piece }, None)));
        plan.added.len()
    }
}

fn contents(pieces: &[Piece]) -> Vec<NewPiece> {
    pieces.iter().map(NewPiece::from).collect()
}

#[test]
fn what_stays_in_order_is_left_alone() {
    let list = |names: &str| names.split_whitespace().map(|name| new(name, "x")).collect::<Vec<_>>();
    for (old, then, added) in [
        ("a b c d", "a b c d", 0),
        ("a b c d", "a c d", 0),
        ("a b c d", "d a b c", 1),
        ("a b c d", "b c d a", 1),
        ("a b c d", "a b e c d", 1),
        ("a b c d", "d c b a", 3),
        ("a b c d e f", "c d e f a b", 2),
        ("", "a b", 2),
        ("a b", "", 0),
    ] {
        let mut rows = Rows::default();
        rows.apply(1, &list(old));
        assert_eq!(rows.apply(2, &list(then)), added, "{old} -> {then}");
        assert_eq!(contents(&rows.of(2)), list(then));
    }
}

#[test]
fn a_gap_that_is_used_up_is_made_anew() {
    let mut rows = Rows::default();
    let mut list = vec![new("first", "x"), new("last", "x")];
    let mut written = rows.apply(1, &list);
    for revision in 2..60 {
        list.insert(1, new(&format!("r{revision}"), "x"));
        written += rows.apply(revision, &list);
        assert_eq!(contents(&rows.of(revision)), list, "revision {revision}");
    }
    assert!(written < 200, "{written} pieces were written for 60 changes of one");
}

proptest! {
    #[test]
    fn every_revision_stays_as_it_was(lists in vec(vec((0..12_u8, 0..3_u8), 0..14), 1..12)) {
        let mut rows = Rows::default();
        let mut revisions = vec![Vec::new()];
        for (list, revision) in lists.into_iter().zip(1..) {
            let mut pieces: Vec<NewPiece> = Vec::new();
            for (name, body) in list {
                let piece = new(&name.to_string(), &body.to_string());
                if pieces.iter().all(|other| other.name != piece.name) {
                    pieces.push(piece);
                }
            }
            rows.apply(revision, &pieces);
            revisions.push(pieces);
            for (pieces, revision) in revisions.iter().zip(0..) {
                prop_assert_eq!(&contents(&rows.of(revision)), pieces, "revision {}", revision);
            }
        }
    }
}
