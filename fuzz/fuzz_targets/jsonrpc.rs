//! JSON-RPC messages and lists of tools.

#![no_main]

#[path = "../../protocol/tests/corpus/jsonrpc.rs"]
mod jsonrpc;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    jsonrpc::holds(data);
});
