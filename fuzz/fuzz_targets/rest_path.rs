//! REST paths and queries.

#![no_main]

#[path = "../../protocol/tests/corpus/rest_path.rs"]
mod rest_path;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    rest_path::holds(data);
});
