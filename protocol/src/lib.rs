//! From bytes to what policy decides on, or to a named refusal.
//!
//! Everything here reads input that an attacker may have written, and is strict: where two readers of the same
//! bytes could see two different calls, the bytes are refused. Nothing here does I/O, reads a clock or draws
//! randomness, and every limit is a named constant.

pub mod content_type;
mod fold;
pub mod handshake;
pub mod http1;
pub mod json;
pub mod malformed;
pub mod mcp;
pub mod message;
mod percent;
pub mod pointer;
pub mod reply;
pub mod rest;
pub mod sse;
pub mod tools_list;
