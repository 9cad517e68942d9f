//! Requests on a connection.

#![no_main]

#[path = "../../protocol/tests/corpus/http1_framing.rs"]
mod http1_framing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    http1_framing::holds(data);
});
