//! Whether a bundle is one to put in force, and why not.

use policy_sync::{Document, DocumentError, Subject, TrustedKeys};

/// Why a bundle is not put in force.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("{0}")]
    Document(#[from] DocumentError),
    #[error("it is not text")]
    NotText,
    #[error("it is about `{0}`, not a policy")]
    OtherSubject(&'static str),
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    #[error("it is of `{theirs}`, and this is `{ours}`")]
    OtherOrg { theirs: String, ours: String },
    #[error("it is of revision {revision}, and {held} is in force: sign it anew with a higher one")]
    NotNewer { revision: u64, held: u64 },
    #[error("{0}")]
    Mistakes(String),
    #[error("putting it in force failed in an unforeseen way")]
    Unforeseen,
}

impl Refused {
    /// The outcome in metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Document(DocumentError::Signature) => "signature",
            Self::Document(DocumentError::Header(_)) => "header",
            Self::Document(DocumentError::Text) => "text",
            Self::Document(DocumentError::Bundle(_)) | Self::NotText => "bundle",
            Self::OtherSubject(_) => "other_subject",
            Self::TooLong(_) => "too_long",
            Self::OtherOrg { .. } => "other_org",
            Self::NotNewer { .. } => "not_newer",
            Self::Mistakes(_) | Self::Unforeseen => "mistakes",
        }
    }
}

/// A policy that a trusted key signed, no longer than it may be.
pub(super) fn good(bytes: &[u8], trusted: &TrustedKeys, max_bytes: usize) -> Result<Document, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::NotText)?;
    let document = Document::from_bundle(text, trusted)?;
    let subject = document.header().subject;
    if subject != Subject::Policy {
        return Err(Refused::OtherSubject(subject.as_str()));
    }
    if document.text().len() > max_bytes { Err(Refused::TooLong(max_bytes)) } else { Ok(document) }
}

/// Whether it is newer than the one in force; false if it is the same. `org`: as in the settings.
pub(super) fn is_newer(
    document: &Document,
    held: Option<&Document>,
    org: Option<&str>,
) -> Result<bool, Refused> {
    let header = document.header();
    let ours = org.or_else(|| held.map(|held| held.header().org.as_str()));
    if let Some(ours) = ours.filter(|ours| *ours != header.org) {
        return Err(Refused::OtherOrg { theirs: header.org.clone(), ours: ours.to_owned() });
    }
    match held {
        Some(held) if held.version() == document.version() => Ok(false),
        Some(held) if held.header().revision >= header.revision => {
            Err(Refused::NotNewer { revision: header.revision, held: held.header().revision })
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use policy_sync::PolicyKey;

    use super::*;

    fn signed(seed: u8, subject: Subject, (org, revision): (&str, u64), text: &str) -> Document {
        Document::sign(&PolicyKey::generate(&[seed; 32]), (subject, org), (revision, 1), text)
    }

    #[test]
    fn only_a_newer_policy_of_this_organisation_is_taken() {
        let trusted = TrustedKeys::new(vec![PolicyKey::generate(&[1; 32]).public()]);
        let held = signed(1, Subject::Policy, ("acme", 5), "five");
        let of = |seed, of: (&str, u64), text: &str| {
            signed(seed, Subject::Policy, of, text).to_bundle().into_bytes()
        };
        let torn = of(1, ("acme", 6), "six").split_at(40).0.to_vec();
        let forged = String::from_utf8(of(1, ("acme", 6), "six")).unwrap().replace("six", "xis").into_bytes();
        for (bytes, expected) in [
            (of(1, ("acme", 6), "six"), Ok(true)),
            (of(1, ("acme", 5), "five"), Ok(false)),
            (of(1, ("acme", 5), "other"), Err("not_newer")),
            (of(1, ("acme", 4), "five"), Err("not_newer")),
            (of(1, ("other", 6), "six"), Err("other_org")),
            (of(2, ("acme", 6), "six"), Err("signature")),
            (of(1, ("acme", 6), "longer than ten"), Err("too_long")),
            (signed(1, Subject::Keys, ("acme", 6), "six").to_bundle().into_bytes(), Err("other_subject")),
            (torn, Err("bundle")),
            (vec![0xff], Err("bundle")),
            (forged, Err("text")),
        ] {
            let taken = good(&bytes, &trusted, 10).and_then(|one| is_newer(&one, Some(&held), None));
            assert_eq!(taken.as_ref().copied().map_err(Refused::name), expected, "{taken:?}");
        }
        let first = signed(1, Subject::Policy, ("acme", 1), "");
        assert_eq!(is_newer(&first, None, None), Ok(true));
        assert!(is_newer(&first, None, Some("other")).is_err());
    }
}
