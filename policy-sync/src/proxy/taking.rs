//! From what travels to a document that can be tried: whose it is, that it is newer, and that it is the signed text.

use std::sync::Arc;

use super::{Link, ProxyAction, ProxySync};
use crate::chunks::Gathering;
use crate::delta::apply;
use crate::frame::{Ack, AckOutcome, Chunk, Delta, ProxyFrame, RefusedWhy, SnapshotStart};
use crate::{DocumentError, SignedHeader, Subject, VerifiedHeader};

/// A snapshot whose chunks are coming.
#[derive(Debug)]
pub(super) struct Taking {
    /// `None`: it is refused already, and its chunks are passed over.
    header: Option<VerifiedHeader>,
    gathering: Option<Gathering>,
    chunks_left: u32,
}

/// Chunks of a refused snapshot that are passed over; with more, the link is cut.
const PASSED_OVER_MAX: u32 = 1024;

impl ProxySync {
    /// A whole document begins.
    pub(super) fn snapshot(&mut self, start: SnapshotStart) -> Result<(), &'static str> {
        let SnapshotStart { signed, chunks } = start;
        let revision = revision_of(&signed);
        if chunks == 0 || chunks > PASSED_OVER_MAX {
            return Err("a snapshot has no chunk, or too many");
        }
        let header = match self.admit(signed) {
            Ok(header) => Some(header),
            Err(why) => {
                self.refuse(revision?, why);
                None
            }
        };
        let gathering = header
            .as_ref()
            .and_then(|header| Gathering::new(chunks, usize::try_from(header.header().bytes).ok()?));
        if header.is_some() && gathering.is_none() {
            return Err("a snapshot has more chunks than its text can have");
        }
        match &mut self.link {
            Link::Up(up) if up.taking.is_none() => {
                up.taking = Some(Taking { header, gathering, chunks_left: chunks });
                Ok(())
            }
            _ => Err("a snapshot began before the one before it was whole"),
        }
    }

    /// A part of it.
    pub(super) fn chunk(&mut self, chunk: &Chunk) -> Result<(), &'static str> {
        let Link::Up(up) = &mut self.link else { return Ok(()) };
        let mut taking = up.taking.take().ok_or("a chunk of no snapshot")?;
        taking.chunks_left -= 1;
        let Some(gathering) = &mut taking.gathering else {
            up.taking = Some(taking).filter(|taking| taking.chunks_left > 0);
            return Ok(());
        };
        match gathering.take(chunk.number, &chunk.data) {
            Ok(None) => up.taking = Some(taking),
            Ok(Some(text)) => {
                let Some(header) = taking.header else { return Ok(()) };
                self.take(header, text.into());
            }
            Err(_) => return Err("the chunks of a snapshot are missing or wrong"),
        }
        Ok(())
    }

    /// A document by how it differs from the one in force.
    pub(super) fn delta(&mut self, delta: Delta) -> Result<(), &'static str> {
        let Delta { from, signed, edits } = delta;
        let named = revision_of(&signed);
        let header = match self.admit(signed) {
            Ok(header) => header,
            Err(why) => {
                self.refuse(named?, why);
                return Ok(());
            }
        };
        let held = self.held(header.header().subject).filter(|held| held.version() == from);
        let bytes = usize::try_from(header.header().bytes).unwrap_or(usize::MAX);
        match held.and_then(|held| apply(held.text(), &edits, bytes).ok()) {
            Some(text) => self.take(header, text.into()),
            None => self.refuse((header.header().subject, header.header().revision), RefusedWhy::Delta),
        }
        Ok(())
    }

    /// Whether a document may follow at all.
    fn admit(&self, signed: SignedHeader) -> Result<VerifiedHeader, RefusedWhy> {
        let verified = signed.verify(&self.trusted).map_err(|error| match error {
            DocumentError::Header(_) => RefusedWhy::Header,
            _ => RefusedWhy::Signature,
        })?;
        let header = verified.header();
        let mut known = self.held.iter().flatten().map(|held| held.header().org.as_str());
        let org = self.identity.org.as_deref().or_else(|| known.next());
        if org.is_some_and(|org| org != header.org) {
            return Err(RefusedWhy::OtherOrg);
        }
        if self.held(header.subject).is_some_and(|held| held.header().revision >= header.revision) {
            return Err(RefusedWhy::NotNewer);
        }
        if usize::try_from(header.bytes).map_or(true, |bytes| bytes > self.limits.document_max_bytes) {
            return Err(RefusedWhy::TooLong);
        }
        Ok(verified)
    }

    /// Goes on with a document if its text is the signed one.
    fn take(&mut self, header: VerifiedHeader, text: Arc<str>) {
        let named = (header.header().subject, header.header().revision);
        match header.with_text(text) {
            Ok(document) => self.try_document(document),
            Err(_) => self.refuse(named, RefusedWhy::Text),
        }
    }

    fn refuse(&mut self, (subject, revision): (Subject, u64), why: RefusedWhy) {
        self.send(&ProxyFrame::Ack(Ack { subject, revision, outcome: AckOutcome::Refused(why.clone()) }));
        self.actions.push_back(ProxyAction::Refused(subject, why));
    }
}

/// What a header says it is, verified or not: for telling that it is refused, and nothing else.
fn revision_of(signed: &SignedHeader) -> Result<(Subject, u64), &'static str> {
    #[derive(serde::Deserialize)]
    struct Named {
        subject: Subject,
        revision: u64,
    }
    let named: Named = serde_json::from_str(&signed.header).map_err(|_| "a header can't be read")?;
    Ok((named.subject, named.revision))
}
