//! The link between a proxy and its control plane: signed documents, messages, and both ends of it.
//!
//! A proxy and a control plane know each other only through these messages, whether they share a process or not. Both ends
//! are state machines ([`ProxySync`], [`ControlSync`]): time and randomness are arguments, and whoever drives them has the
//! sockets, the clock and the disk.

mod backoff;
mod chunks;
mod control;
mod delta;
mod discovered;
mod document;
mod frame;
mod key;
mod link;
mod message;
mod proxy;
mod publication;

pub use backoff::Backoff;
pub use control::{ControlAction, ControlEvent, ControlSync, Form};
pub use delta::Edit;
pub use discovered::{Discovered, Hints, SeenIn, SeenTool, TOOL_NAME_BYTES_MAX};
pub use document::{
    Document, DocumentError, Header, SignedHeader, Subject, TextSha256, TrustedKeys, VerifiedHeader, Version,
};
pub use frame::{
    Ack, AckOutcome, AuditAck, AuditBatch, Chunk, ControlFrame, Current, Delta, FRAME_BYTES_MAX, FrameError,
    Hello, PROTOCOL, ProxyFrame, RefusedWhy, SnapshotStart,
};
pub use key::{HeaderSignature, KeyError, PolicyKey, PolicyPublicKey};
pub use link::{ControlEnd, FromControl, LinkDown, ProxyEnd, Room, ToControl, link};
pub use message::{ApprovalRequest, ControlMessage, HoldId, Outcome, ProxyMessage, Refusal};
pub use proxy::{Closed, DialFailed, Identity, Limits, ProxyAction, ProxyEvent, ProxySync};
pub use publication::{Publication, Published};
