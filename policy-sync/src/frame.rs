//! What travels over the link, beside what approvals and discovery say: a JSON object with a `type`, at most 1 MiB.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::delta::Edit;
use crate::{ControlMessage, ProxyMessage, SignedHeader, Subject, Version};

/// Longest message, in bytes.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// The name of the protocol in `Sec-WebSocket-Protocol`.
pub const PROTOCOL: &str = "oakgate.sync.v1";

/// A message from a proxy.
#[derive(Clone, Debug)]
pub enum ProxyFrame {
    /// Who it is and what it has; the first of each link.
    Hello(Hello),
    /// What became of a document.
    Ack(Ack),
    /// Audit records, in order.
    Audit(AuditBatch),
    /// It lives.
    Ping,
    /// Of approvals and discovery.
    Message(ProxyMessage),
    /// Of a newer proxy. It is ignored.
    Unknown,
}

/// A message from a control plane.
#[derive(Clone, Debug)]
pub enum ControlFrame {
    /// It lives, and this is what it has.
    Pong(Current),
    /// A document follows, in chunks.
    Snapshot(SnapshotStart),
    /// A part of it.
    Chunk(Chunk),
    /// A document, by how it differs from one that the proxy holds.
    Delta(Delta),
    /// Audit records up to this one are stored.
    AuditAck(AuditAck),
    /// Of approvals.
    Message(ControlMessage),
    /// Of a newer control plane. It is ignored.
    Unknown,
}

/// Who a proxy is, and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello")]
pub struct Hello {
    /// Its program's version.
    pub version: String,
    /// Another at each start of the program: with it, ids of holds are never used again.
    pub boot: u64,
    /// What is in force.
    pub held: Current,
}

/// One version of each subject, where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Version>,
    /// Of the callers' keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Version>,
    /// Of the receipt keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_keys: Option<Version>,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ack")]
pub struct Ack {
    /// What it is about.
    pub subject: Subject,
    /// Its revision.
    pub revision: u64,
    /// What became of it.
    pub outcome: AckOutcome,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckOutcome {
    /// It is in force.
    InForce,
    /// It is not, and what was in force stays.
    Refused(RefusedWhy),
}

/// Why a proxy does not take a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedWhy {
    /// No trusted policy key signed it.
    Signature,
    /// Its header can't be read.
    Header,
    /// It is another organisation's.
    OtherOrg,
    /// What is in force is as new, or newer.
    NotNewer,
    /// It is longer than this proxy takes.
    TooLong,
    /// The delta is not of what is held: the whole is wanted.
    Delta,
    /// The chunks are not the signed text.
    Text,
    /// It has mistakes, as this proxy reads it.
    Mistakes(String),
}

/// Audit records, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "audit")]
pub struct AuditBatch {
    /// The sequence number of the first.
    pub first: u64,
    /// Each as JSON text.
    pub records: Vec<String>,
}

/// Audit records up to `through` are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "audit.ack")]
pub struct AuditAck {
    /// The sequence number of the last.
    pub through: u64,
}

/// A document follows, in so many chunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "snapshot")]
pub struct SnapshotStart {
    /// Of the document.
    #[serde(flatten)]
    pub signed: SignedHeader,
    /// How many.
    pub chunks: u32,
}

/// A part of a compressed text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "chunk")]
pub struct Chunk {
    /// From 0.
    pub number: u32,
    /// Base64.
    pub data: String,
}

/// How a document differs from the one that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "delta")]
pub struct Delta {
    /// Of which one it is.
    pub from: Version,
    /// Of the document that comes out.
    #[serde(flatten)]
    pub signed: SignedHeader,
    /// From the text of the one to that of the other.
    pub edits: Vec<Edit>,
}

/// Bytes that are no message of this protocol: whoever sent them is not to be talked with.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than any message.
    #[error("a message is longer than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    /// Not as its type wants it.
    #[error("a message can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Typed<'t> {
    #[serde(borrow, rename = "type")]
    name: Cow<'t, str>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Ping {
    #[serde(rename = "ping")]
    Ping,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename = "pong")]
struct Pong {
    current: Current,
}

impl ProxyFrame {
    /// Reads a message.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        Ok(match type_of(text)?.as_ref() {
            "hello" => Self::Hello(serde_json::from_str(text)?),
            "ack" => Self::Ack(serde_json::from_str(text)?),
            "audit" => Self::Audit(serde_json::from_str(text)?),
            "ping" => Self::Ping,
            name if ProxyMessage::TYPES.contains(&name) => Self::Message(serde_json::from_str(text)?),
            _ => Self::Unknown,
        })
    }

    /// The message as it travels.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Hello(hello) => json(hello),
            Self::Ack(ack) => json(ack),
            Self::Audit(batch) => json(batch),
            Self::Ping | Self::Unknown => json(&Ping::Ping),
            Self::Message(message) => json(message),
        }
    }
}

impl ControlFrame {
    /// Reads a message.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        Ok(match type_of(text)?.as_ref() {
            "pong" => Self::Pong(serde_json::from_str::<Pong>(text)?.current),
            "snapshot" => Self::Snapshot(serde_json::from_str(text)?),
            "chunk" => Self::Chunk(serde_json::from_str(text)?),
            "delta" => Self::Delta(serde_json::from_str(text)?),
            "audit.ack" => Self::AuditAck(serde_json::from_str(text)?),
            name if ControlMessage::TYPES.contains(&name) => Self::Message(serde_json::from_str(text)?),
            _ => Self::Unknown,
        })
    }

    /// The message as it travels.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Pong(current) => json(&Pong { current: current.clone() }),
            Self::Snapshot(start) => json(start),
            Self::Chunk(chunk) => json(chunk),
            Self::Delta(delta) => json(delta),
            Self::AuditAck(ack) => json(ack),
            Self::Message(message) => json(message),
            Self::Unknown => json(&Ping::Ping),
        }
    }
}

impl Current {
    /// That of one subject.
    #[must_use]
    pub const fn of(&self, subject: Subject) -> Option<&Version> {
        match subject {
            Subject::Policy => self.policy.as_ref(),
            Subject::Keys => self.keys.as_ref(),
            Subject::ReceiptKeys => self.receipt_keys.as_ref(),
        }
    }

    /// From what there is of each.
    #[must_use]
    pub fn from_each(of: impl Fn(Subject) -> Option<Version>) -> Self {
        Self { policy: of(Subject::Policy), keys: of(Subject::Keys), receipt_keys: of(Subject::ReceiptKeys) }
    }
}

fn type_of(text: &str) -> Result<Cow<'_, str>, FrameError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong);
    }
    Ok(serde_json::from_str::<Typed<'_>>(text)?.name)
}

/// Structures of texts and numbers can't fail to be written.
fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests;
