//! The link between a proxy and its control plane: the messages, and both ends of it.
//!
//! A proxy and a control plane know each other only through these messages, whether they share a process or not.

mod discovered;
mod link;
mod message;

pub use discovered::{Discovered, Hints, SeenIn, SeenTool, TOOL_NAME_BYTES_MAX};
pub use link::{ControlEnd, FromControl, LinkDown, ProxyEnd, Room, ToControl, link};
pub use message::{ApprovalRequest, ControlMessage, HoldId, Outcome, ProxyMessage, Refusal};
