//! What the benches share: the call, and a policy of any size.

pub mod ring;

/// The body of the call that is measured everywhere: `tools/call`, 760 bytes.
pub const CALL: &[u8] = include_bytes!("../call.json");
