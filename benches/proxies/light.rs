//! What a light proxy does with a document: it verifies the signature of its header, and holds that for all there is.

use policy_sync::{Ack, AckOutcome, ControlFrame, Current, ProxyFrame, Subject, TrustedKeys, VerifiedHeader};

/// A light proxy.
pub(crate) struct Light {
    trusted: TrustedKeys,
    /// A document that is coming, and the chunks of it that have not come.
    coming: Option<(VerifiedHeader, u32)>,
}

/// What became of a message.
pub(crate) enum Taken {
    /// It is none of a document.
    No,
    /// More of the document is to come.
    Part,
    /// The document is here whole: what to answer.
    Whole { subject: Subject, revision: u64, ack: String },
}

impl Light {
    pub(crate) const fn new(trusted: TrustedKeys) -> Self {
        Self { trusted, coming: None }
    }

    pub(crate) fn take(&mut self, text: &str) -> Taken {
        match ControlFrame::parse(text).expect("a message of the protocol") {
            ControlFrame::Snapshot(start) => {
                self.coming = Some((start.signed.verify(&self.trusted).expect("it is signed"), start.chunks));
                Taken::Part
            }
            ControlFrame::Chunk(_) => {
                let (header, missing) = self.coming.take().expect("a chunk follows a header");
                if missing > 1 {
                    self.coming = Some((header, missing - 1));
                    return Taken::Part;
                }
                whole(&header)
            }
            ControlFrame::Delta(delta) => whole(&delta.signed.verify(&self.trusted).expect("it is signed")),
            _ => Taken::No,
        }
    }
}

fn whole(header: &VerifiedHeader) -> Taken {
    let (subject, revision) = (header.header().subject, header.header().revision);
    let ack = ProxyFrame::Ack(Ack { subject, revision, outcome: AckOutcome::InForce });
    Taken::Whole { subject, revision, ack: ack.to_text() }
}

/// What the state machine of a light proxy hears instead of a document: that the control plane lives.
pub(crate) fn sign_of_life() -> String {
    ControlFrame::Pong(Current::default()).to_text()
}
