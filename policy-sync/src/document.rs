//! Signed documents: what a proxy runs by, whether it came over the link, from a bundle or from its own disk.
//!
//! The text is in the form of the file that a proxy without a control plane would read. The header says whose it is and
//! which revision; its signature covers the text by the digest in it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{HeaderSignature, PolicyKey, PolicyPublicKey};

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A policy document.
    Policy,
    /// The callers' keys: a keys file, as JSON.
    Keys,
    /// What receipts are signed and verified with: a JWK set with its secret parts.
    ReceiptKeys,
}

/// Which text it is, and of which revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Only ever goes up.
    pub revision: u64,
    /// Of the text.
    pub sha256: TextSha256,
}

/// The SHA-256 of a text: 64 lower-case hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TextSha256([u8; 32]);

/// What is signed of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// What it is about.
    pub subject: Subject,
    /// Whose it is.
    pub org: String,
    /// Only ever goes up, within a subject of an organisation.
    pub revision: u64,
    /// Of the text.
    pub sha256: TextSha256,
    /// Length of the text.
    pub bytes: u64,
    /// When this revision was made. For people: nobody decides by it.
    pub at_unix_ms: u64,
}

/// A header and its signature, as they travel. Nobody has verified it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    /// The header as JSON text: the signature is over these very bytes.
    pub header: String,
    /// Of the policy key.
    pub signature: HeaderSignature,
}

/// A header whose signature is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedHeader {
    header: Header,
    signed: SignedHeader,
}

/// A document whose signature is good, and whose text is the signed one.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    header: VerifiedHeader,
    text: Arc<str>,
}

/// The keys that may sign, by their public halves.
#[derive(Clone, Debug)]
pub struct TrustedKeys(Vec<PolicyPublicKey>);

/// Why a document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// None of the trusted keys made the signature.
    #[error("its signature is not of a trusted policy key")]
    Signature,
    /// The header can't be read.
    #[error("its header can't be read: {0}")]
    Header(String),
    /// The text is not the signed one.
    #[error("its text is not the signed one")]
    Text,
    /// The file can't be read.
    #[error("not a bundle: {0}")]
    Bundle(String),
}

/// How a document stands in a file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Bundle<'b> {
    format: u64,
    header: Cow<'b, str>,
    signature: HeaderSignature,
    text: Cow<'b, str>,
}

const BUNDLE_FORMAT: u64 = 1;

impl Subject {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Policy, Self::Keys, Self::ReceiptKeys];

    /// The word on the wire, in metrics and in file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Keys => "keys",
            Self::ReceiptKeys => "receipt_keys",
        }
    }
}

impl TrustedKeys {
    /// These keys. Without any, nothing verifies.
    #[must_use]
    pub const fn new(keys: Vec<PolicyPublicKey>) -> Self {
        Self(keys)
    }
}

impl SignedHeader {
    /// Verifies the signature, and only then reads the header.
    ///
    /// # Errors
    /// [`DocumentError::Signature`], [`DocumentError::Header`].
    pub fn verify(self, trusted: &TrustedKeys) -> Result<VerifiedHeader, DocumentError> {
        if !trusted.0.iter().any(|key| key.verifies(&self.header, &self.signature)) {
            return Err(DocumentError::Signature);
        }
        let header =
            serde_json::from_str(&self.header).map_err(|error| DocumentError::Header(error.to_string()))?;
        Ok(VerifiedHeader { header, signed: self })
    }
}

impl VerifiedHeader {
    /// What is signed.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Joins it with its text.
    ///
    /// # Errors
    /// [`DocumentError::Text`] if that is not the signed one.
    pub fn with_text(self, text: impl Into<Arc<str>>) -> Result<Document, DocumentError> {
        let text = text.into();
        let is_signed =
            self.header.bytes == length_bytes(&text) && self.header.sha256 == TextSha256::of(&text);
        if is_signed { Ok(Document { header: self, text }) } else { Err(DocumentError::Text) }
    }
}

impl Document {
    /// Signs a text.
    #[must_use]
    pub fn sign(
        key: &PolicyKey,
        (subject, org): (Subject, &str),
        (revision, at_unix_ms): (u64, u64),
        text: impl Into<Arc<str>>,
    ) -> Self {
        let text = text.into();
        let sha256 = TextSha256::of(&text);
        let bytes = length_bytes(&text);
        let header = Header { subject, org: org.to_owned(), revision, sha256, bytes, at_unix_ms };
        let json = serde_json::json!({
            "subject": subject, "org": org, "revision": revision, "sha256": sha256, "bytes": bytes, "at_unix_ms": at_unix_ms,
        });
        let json = json.to_string();
        let signed = SignedHeader { signature: key.sign(&json), header: json };
        Self { header: VerifiedHeader { header, signed }, text }
    }

    /// Reads what [`Document::to_bundle`] wrote, and verifies it.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn from_bundle(bundle: &str, trusted: &TrustedKeys) -> Result<Self, DocumentError> {
        let bundle: Bundle<'_> =
            serde_json::from_str(bundle).map_err(|error| DocumentError::Bundle(error.to_string()))?;
        if bundle.format != BUNDLE_FORMAT {
            let format = bundle.format;
            return Err(DocumentError::Bundle(format!(
                "format {format} is not known here, only {BUNDLE_FORMAT}"
            )));
        }
        let signed = SignedHeader { header: bundle.header.into_owned(), signature: bundle.signature };
        signed.verify(trusted)?.with_text(bundle.text)
    }

    /// The document as one file: JSON.
    #[must_use]
    pub fn to_bundle(&self) -> String {
        let SignedHeader { header, signature } = self.signed_header();
        let (header, text) = (Cow::Borrowed(header.as_str()), Cow::Borrowed(&*self.text));
        let bundle = Bundle { format: BUNDLE_FORMAT, header, signature: *signature, text };
        // A structure of texts and a number can't fail to be written.
        serde_json::to_string(&bundle).unwrap_or_default()
    }

    /// What is signed.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header.header
    }

    /// The header as it travels.
    #[must_use]
    pub const fn signed_header(&self) -> &SignedHeader {
        &self.header.signed
    }

    /// The text.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Its revision, and which text that is.
    #[must_use]
    pub fn version(&self) -> Version {
        Version { revision: self.header().revision, sha256: self.header().sha256 }
    }
}

impl TextSha256 {
    /// The digest of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for TextSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TextSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<TextSha256> for String {
    fn from(digest: TextSha256) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for TextSha256 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = "must be 64 lower-case hexadecimal digits";
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("header", self.header()).finish_non_exhaustive()
    }
}

fn length_bytes(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
