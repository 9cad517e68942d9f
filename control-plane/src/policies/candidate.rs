//! The pieces of a policy after a change, and the document that pieces are.

use std::fmt::Write as _;

use serde_json::Value;

use super::{NotProposed, PolicyChange, Wanted};
use crate::store::{NewPiece, Piece, PieceKind, Pieces};

/// The pieces after the change, settings first, those of each kind in their order.
pub(super) fn pieces(
    base: &Pieces,
    restored: Option<&Pieces>,
    wanted: &Wanted,
) -> Result<Vec<NewPiece>, NotProposed> {
    let of_base = || base.pieces.iter().map(NewPiece::from).collect::<Vec<_>>();
    let revision_of = |kind, name: &str| base.get(kind, name).map_or(0, |piece| piece.from_revision);
    let current = match &wanted.change {
        PolicyChange::Replace(_) | PolicyChange::Restore(_) => base.revision,
        PolicyChange::Put { piece, .. } => revision_of(piece.kind, &piece.name),
        PolicyChange::Delete { kind, name } => revision_of(*kind, name),
    };
    if !wanted.expected.is_met(current) {
        return Err(NotProposed::Changed);
    }
    let mut pieces = match &wanted.change {
        PolicyChange::Replace(pieces) => pieces.clone(),
        PolicyChange::Restore(_) => restored.iter().flat_map(|old| &old.pieces).map(NewPiece::from).collect(),
        PolicyChange::Put { piece, before } => put(of_base(), piece, before.as_deref())?,
        PolicyChange::Delete { kind, name } => {
            let mut pieces = of_base();
            let place = find(&pieces, *kind, name).ok_or(NotProposed::Unknown)?;
            pieces.remove(place);
            pieces
        }
    };
    if find(&pieces, PieceKind::Settings, "").is_none() {
        pieces.push(NewPiece { kind: PieceKind::Settings, name: String::new(), body: "{}".to_owned() });
    }
    match pieces.iter().find(|piece| piece.name.contains('\0')) {
        Some(piece) => Err(NotProposed::Refused(vec![format!(
            "{} {:?}: a name must not have a NUL character",
            piece.kind.as_str(),
            piece.name
        )])),
        None => Ok(pieces),
    }
}

/// The document that pieces are, an entry a line.
pub(crate) fn text<'p>(org: &str, pieces: impl Iterator<Item = (PieceKind, &'p str)>) -> String {
    let mut settings = "{}";
    let mut lists: [(PieceKind, &str, Vec<&str>); 3] = [
        (PieceKind::Category, "categories", Vec::new()),
        (PieceKind::Tool, "tools", Vec::new()),
        (PieceKind::Rule, "rules", Vec::new()),
    ];
    for (kind, body) in pieces {
        match lists.iter_mut().find(|(of, ..)| *of == kind) {
            Some((_, _, bodies)) => bodies.push(body),
            None => settings = body,
        }
    }
    let settings = settings.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let comma = if settings.is_empty() { "" } else { "," };
    let mut text = String::new();
    quoted(&mut text, &format!("{{\"format\":1,\"org\":{}{comma}{settings}", Value::from(org)));
    for (_, name, bodies) in lists {
        text.push_str(",\n\"");
        text.push_str(name);
        text.push_str("\":[");
        for (place, body) in bodies.into_iter().enumerate() {
            text.push_str(if place == 0 { "\n" } else { ",\n" });
            quoted(&mut text, body);
        }
        text.push(']');
    }
    text.push_str("}\n");
    text
}

/// JSON, with escapes for what may stand in its texts but not in those of YAML, as which documents are read.
pub(super) fn quoted(text: &mut String, json: &str) {
    let is_bad = |c: char| {
        matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let mut rest = json;
    while let Some((before, after)) = rest.split_once(is_bad) {
        text.push_str(before);
        let bad = rest.get(before.len()..).and_then(|rest| rest.chars().next()).unwrap_or_default();
        let _ = write!(text, "\\u{:04x}", u32::from(bad));
        rest = after;
    }
    text.push_str(rest);
}

fn put(
    mut pieces: Vec<NewPiece>,
    piece: &NewPiece,
    before: Option<&str>,
) -> Result<Vec<NewPiece>, NotProposed> {
    let stood = find(&pieces, piece.kind, &piece.name);
    let Some(before) = before.filter(|before| *before != piece.name) else {
        match stood.and_then(|place| pieces.get_mut(place)) {
            Some(old) => *old = piece.clone(),
            None => pieces.push(piece.clone()),
        }
        return Ok(pieces);
    };
    if let Some(place) = stood {
        pieces.remove(place);
    }
    let place = find(&pieces, piece.kind, before).ok_or_else(|| {
        let kind = piece.kind.as_str();
        NotProposed::Refused(vec![format!("{kind} `{}`: there is no {kind} `{before}`", piece.name)])
    })?;
    pieces.insert(place, piece.clone());
    Ok(pieces)
}

fn find(pieces: &[NewPiece], kind: PieceKind, name: &str) -> Option<usize> {
    pieces.iter().position(|piece| piece.kind == kind && piece.name == name)
}

impl From<&Piece> for NewPiece {
    fn from(piece: &Piece) -> Self {
        Self { kind: piece.kind, name: piece.name.clone(), body: piece.body.clone() }
    }
}

impl Pieces {
    /// Kind and contents of each.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (PieceKind, &str)> {
        self.pieces.iter().map(|piece| (piece.kind, piece.body.as_str()))
    }
}
