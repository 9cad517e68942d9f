//! Event streams.

#![no_main]

#[path = "../../protocol/tests/corpus/sse.rs"]
mod sse;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sse::holds(data);
});
