//! Policy documents.

#![no_main]

#[path = "../../policy/tests/corpus/policy_document.rs"]
mod policy_document;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    policy_document::holds(data);
});
