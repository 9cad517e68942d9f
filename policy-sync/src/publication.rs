//! What a control plane has for the proxies of one organisation, ready to be sent to any number of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::chunks;
use crate::delta::edits;
use crate::frame::{Chunk, ControlFrame, Current, Delta, FRAME_BYTES_MAX, SnapshotStart};
use crate::{Document, Subject, Version};

/// Earlier texts of a subject that deltas are made from.
const EARLIER_MAX: usize = 4;

/// Bytes of earlier texts of a subject.
const EARLIER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One document, as whole messages.
#[derive(Debug)]
pub struct Publication {
    document: Document,
    snapshot: Vec<Bytes>,
    /// By what they are from. Two versions may have one text: a change that was taken back.
    deltas: HashMap<Version, Bytes>,
}

/// The newest document of each subject. A clone is cheap.
#[derive(Clone, Debug, Default)]
pub struct Published {
    newest: [Option<Arc<Publication>>; Subject::ALL.len()],
    earlier: [VecDeque<Earlier>; Subject::ALL.len()],
}

#[derive(Clone, Debug)]
struct Earlier {
    version: Version,
    text: Arc<str>,
}

impl Published {
    /// Makes a document the newest of its subject. Takes a while: it is compressed, and compared with earlier ones.
    ///
    /// # Errors
    /// There is no memory to compress it.
    pub fn publish(&mut self, document: Document) -> std::io::Result<()> {
        let place = place(document.header().subject);
        let Some((newest, earlier)) = self.newest.get_mut(place).zip(self.earlier.get_mut(place)) else {
            return Ok(());
        };
        if let Some(before) = newest.as_ref().map(|publication| &publication.document) {
            earlier.push_front(Earlier { version: before.version(), text: Arc::clone(before.text()) });
        }
        let mut bytes = 0_usize;
        earlier.retain(|earlier| {
            bytes = bytes.saturating_add(earlier.text.len());
            bytes <= EARLIER_BYTES_MAX
        });
        earlier.truncate(EARLIER_MAX);
        let publication = Publication::new(document, earlier.iter())?;
        *newest = Some(Arc::new(publication));
        Ok(())
    }

    /// The newest document of a subject.
    #[must_use]
    pub fn newest(&self, subject: Subject) -> Option<&Arc<Publication>> {
        self.newest.get(place(subject))?.as_ref()
    }

    /// The versions of all of them.
    #[must_use]
    pub fn current(&self) -> Current {
        Current::from_each(|subject| Some(self.newest(subject)?.document.version()))
    }
}

impl Publication {
    fn new<'e>(document: Document, earlier: impl Iterator<Item = &'e Earlier>) -> std::io::Result<Self> {
        let chunks = chunks::split(document.text())?;
        let signed = document.signed_header().clone();
        let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let start = ControlFrame::Snapshot(SnapshotStart { signed, chunks: count });
        let parts = (0..).zip(chunks).map(|(number, data)| ControlFrame::Chunk(Chunk { number, data }));
        let snapshot: Vec<Bytes> =
            [start].into_iter().chain(parts).map(|frame| frame.to_text().into()).collect();
        let snapshot_bytes = snapshot.iter().map(Bytes::len).sum();
        let mut deltas = HashMap::new();
        for Earlier { version, text } in earlier {
            let from = version.clone();
            let signed = document.signed_header().clone();
            let delta = Delta { from, signed, edits: edits(text, document.text()) };
            let frame = ControlFrame::Delta(delta).to_text();
            if frame.len() < FRAME_BYTES_MAX.min(snapshot_bytes) {
                deltas.insert(version.clone(), frame.into());
            }
        }
        Ok(Self { document, snapshot, deltas })
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// The message that brings it to a proxy which holds this, if there is a short one.
    pub(crate) fn delta(&self, held: &Version) -> Option<&Bytes> {
        self.deltas.get(held)
    }

    /// The messages of the whole.
    pub(crate) fn whole(&self) -> &[Bytes] {
        &self.snapshot
    }
}

pub(crate) const fn place(subject: Subject) -> usize {
    match subject {
        Subject::Policy => 0,
        Subject::Keys => 1,
        Subject::ReceiptKeys => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyKey;

    #[test]
    fn a_change_that_was_taken_back_is_a_delta_too() {
        let key = PolicyKey::generate(&[7; 32]);
        // Lines with nothing in common, so that the whole is longer than what changes in it.
        let lines: String =
            (0..200_u64).map(|n| format!("{}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let mut published = Published::default();
        let mut versions = Vec::new();
        for (revision, last) in (1..).zip(["one", "other", "one", "other"]) {
            let text = format!("{lines}{last}\n");
            let document = Document::sign(&key, (Subject::Policy, "acme"), (revision, 0), text);
            versions.push(document.version());
            published.publish(document).unwrap();
        }
        let newest = published.newest(Subject::Policy).unwrap();
        for held in &versions[..3] {
            let delta =
                newest.delta(held).map(|frame| ControlFrame::parse(str::from_utf8(frame).unwrap()).unwrap());
            assert!(
                matches!(&delta, Some(ControlFrame::Delta(delta)) if delta.from == *held),
                "{held:?} {delta:?}"
            );
        }
    }
}
