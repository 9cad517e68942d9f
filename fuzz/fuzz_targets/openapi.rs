//! OpenAPI files.

#![no_main]

#[path = "../../protocol/tests/corpus/openapi.rs"]
mod openapi;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    openapi::holds(data);
});
