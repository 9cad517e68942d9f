//! Conditions of rules, and the arguments that they meet.

#![no_main]

#[path = "../../policy/tests/corpus/condition.rs"]
mod condition;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    condition::holds(data);
});
