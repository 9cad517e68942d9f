//! Messages as clients send them, and as attackers do.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"a":1}}}"#;

fn read(body: &str) -> Result<Message<'_>, Malformed> {
    Message::read(body.as_bytes())
}

fn request(body: &str) -> Request<'_> {
    match read(body) {
        Ok(Message::Request(request)) => request,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn reads_a_call_and_borrows_what_it_can() {
    let body = r#" {"params":{"arguments":{"to": "é\u0041", "n":[1]},"_meta":{"progressToken":7,
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}},
        "vendor/x":{"name":"other"}},"name":"pay","task":{"ttl":1},"unknown":[]},
        "method":"tools\/call","id":"a\u0062","jsonrpc":"2.0","extra":null} "#;
    let Request { id, method, params } = request(body);
    assert_eq!(id.raw(), r#""a\u0062""#);
    assert_eq!(method, "tools/call");
    assert!(matches!(params.name, Some(Cow::Borrowed("pay"))));
    assert_eq!(params.arguments, r#"{"to": "é\u0041", "n":[1]}"#);
    assert_eq!(params.protocol_version.as_deref(), Some("2026-07-28"));
    assert_eq!(params.progress_token, Some("7"));
    assert!(params.declares_tasks);
    assert!(params.raw.starts_with(r#"{"arguments""#) && params.raw.ends_with(r#""unknown":[]}"#));
    assert_eq!(
        (params.uri, params.task_id, params.initialize_version, params.request_id),
        (None, None, None, None)
    );
}

#[test]
fn reads_every_kind_of_message() {
    let ping = request(r#"{"jsonrpc":"2.0","id":-1.5e2,"method":"ping"}"#);
    assert_eq!((ping.id.raw(), ping.params), ("-1.5e2", Params::default()));
    let null = request(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#);
    assert_eq!(null.params, Params::default());
    let initialize = request(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}"#,
    );
    assert_eq!(initialize.params.initialize_version.as_deref(), Some("2025-03-26"));
    let read_one =
        request(r#"{"jsonrpc":"2.0","id":0,"method":"resources/read","params":{"uri":"file:\/\/x"}}"#);
    assert_eq!(read_one.params.subject(&read_one.method), Some("file://x"));
    let task =
        request(r#"{"jsonrpc":"2.0","id":0,"method":"tasks/get","params":{"taskId":"t1","_meta":null}}"#);
    assert_eq!(task.params.subject(&task.method), Some("t1"));

    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"r"}}"#;
    let Ok(Message::Notification(cancelled)) = read(cancelled) else { panic!("no notification") };
    assert_eq!(cancelled.params.request_id.map(Id::raw), Some(r#""r""#));
    for (body, id) in [
        (r#"{"jsonrpc":"2.0","id":9,"result":{"action":"accept"}}"#, Some("9")),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#, None),
        (r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#, None),
    ] {
        let Ok(Message::Response(response)) = read(body) else { panic!("no response: {body}") };
        assert_eq!(response.id.map(Id::raw), id);
    }
}

#[test]
fn refuses_each_for_its_reason() {
    let call =
        |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let envelope = |rest: &str| format!(r#"{{"jsonrpc":"2.0",{rest}}}"#);
    let long_id = "1".repeat(ID_BYTES_MAX + 1);
    let table = [
        (format!("[{CALL}]"), Malformed::Batch),
        ("[]".to_owned(), Malformed::Batch),
        ("7".to_owned(), Malformed::NotAnObject),
        ("null".to_owned(), Malformed::NotAnObject),
        (format!("{CALL}{CALL}"), Malformed::TrailingBytes),
        (format!("{CALL},"), Malformed::TrailingBytes),
        ("{}".to_owned(), Malformed::WrongVersion),
        (CALL.replace("\"2.0\"", "2.0"), Malformed::WrongVersion),
        (CALL.replace("2.0", "1.0"), Malformed::WrongVersion),
        (envelope(r#""id":1"#), Malformed::MissingMethod),
        (envelope(r#""id":1,"method":null"#), Malformed::BadMethod),
        (envelope(r#""id":1,"method":["tools/call"]"#), Malformed::BadMethod),
        (envelope(r#""id":1,"method":"ping","result":{}"#), Malformed::MixedMessage),
        (envelope(r#""id":1,"result":{},"error":{}"#), Malformed::MixedMessage),
        (envelope(r#""id":null,"method":"ping""#), Malformed::BadId),
        (envelope(r#""id":true,"method":"ping""#), Malformed::BadId),
        (envelope(r#""id":[1],"method":"ping""#), Malformed::BadId),
        (envelope(r#""id":{},"result":{}"#), Malformed::BadId),
        (envelope(&format!(r#""id":"{long_id}","method":"ping""#)), Malformed::BadId),
        (envelope(r#""id":1,"method":"ping","params":[]"#), Malformed::ParamsNotAnObject),
        (envelope(r#""id":1,"method":"ping","params":"x""#), Malformed::ParamsNotAnObject),
        (CALL.replace(r#""id":1,"#, ""), Malformed::CallWithoutId),
        (CALL.replace("tools/call", r"tools\/c\u0061ll").replace(r#""id":1,"#, ""), Malformed::CallWithoutId),
        (call("{}"), Malformed::CallWithoutName),
        (call("null"), Malformed::CallWithoutName),
        (call(r#"{"name":7}"#), Malformed::CallWithoutName),
        (call(r#"{"name":null}"#), Malformed::CallWithoutName),
        (call(r#"{"name":"a","arguments":null}"#), Malformed::ArgumentsNotAnObject),
        (call(r#"{"name":"a","arguments":[]}"#), Malformed::ArgumentsNotAnObject),
        (call(r#"{"name":"a","arguments":"{}"}"#), Malformed::ArgumentsNotAnObject),
        (call(r#"{"name":"a","_meta":[]}"#), Malformed::MetaNotAnObject),
        (
            call(r#"{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":20260728}}"#),
            Malformed::VersionNotText,
        ),
        (
            envelope(r#""id":1,"method":"initialize","params":{"protocolVersion":1}"#),
            Malformed::VersionNotText,
        ),
        (envelope(r#""id":1,"method":"resources/read","params":{"uri":{}}"#), Malformed::SubjectNotText),
        (envelope(r#""id":1,"method":"prompts/get","params":{"name":1}"#), Malformed::SubjectNotText),
        (envelope(r#""id":1,"method":"tasks/cancel","params":{"taskId":1}"#), Malformed::SubjectNotText),
        (call(r#"{"name":"echo\u0000"}"#), Malformed::NulInName),
        (
            envelope(r#""id":1,"method":"resources/read","params":{"uri":"file:///a\u0000.txt"}"#),
            Malformed::NulInName,
        ),
        (call(r#"{"name":"echo","name":"get-sum"}"#), Malformed::DuplicateKey),
        (call(r#"{"name":"echo","arguments":{"x":{"y":1,"y":2}}}"#), Malformed::DuplicateKey),
        (call(r#"{"name":"echo","name\u0000":"x"}"#), Malformed::NulInKey),
        (call(r#"{"n\u0061me":"echo"}"#), Malformed::EscapedKey),
        (CALL.replace("params", "p\\u0061rams"), Malformed::EscapedKey),
        (call(r#"{"name":"echo\u0000x"}"#), Malformed::NulInName),
        (CALL.replace("tools/call", "tools/call\\u0000"), Malformed::NulInName),
        (call(r#"{"name":"echo","Name":"get-sum"}"#), Malformed::CaseVariantKey),
        (call(r#"{"name":"echo","argument\u017f":{}}"#), Malformed::CaseVariantKey),
        (call(r#"{"name":"echo","tas\u212a":{}}"#), Malformed::CaseVariantKey),
        (CALL.replace(r#""id":1"#, r#""id":1,"ID":2"#), Malformed::CaseVariantKey),
        (CALL.replace("params", "Params"), Malformed::CaseVariantKey),
        (CALL.replace("params", "param\u{17f}"), Malformed::CaseVariantKey),
        (CALL.replace(r#""id":1"#, "\"id\":1,\"\u{131}d\":2"), Malformed::CaseVariantKey),
    ];
    for (body, malformed) in table {
        assert_eq!(read(&body), Err(malformed), "{body}");
    }
}

#[test]
fn leaves_to_the_backend_what_nobody_decides_on() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":{"name":{},"uri":1,"arguments":[1],"protocolVersion":7}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":{"a":1}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":null,"_meta":{"PROGRESSTOKEN":1}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"Name":1,"name":2,"NAME":3}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":
            {"extensions":{"io.modelcontextprotocol/tasks":null}}}}}"#,
    ] {
        let Request { params, .. } = request(body);
        assert_eq!(
            (params.progress_token, params.declares_tasks, params.name.is_some()),
            (None, false, body.contains("call"))
        );
    }
}

#[test]
fn a_batch_is_decided_element_by_element() {
    let batch = |messages: &[&str]| {
        Message::read_batch(format!("[{}]", messages.join(",")).as_bytes()).map(|all| all.len())
    };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    let initialize =
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}"#;
    assert_eq!(batch(&[CALL, ping, notification]), Ok(3));
    assert_eq!(batch(&[ping; BATCH_MESSAGES_MAX]), Ok(BATCH_MESSAGES_MAX));
    for (messages, malformed) in [
        (vec![], Malformed::BatchLength),
        (vec![ping; BATCH_MESSAGES_MAX + 1], Malformed::BatchLength),
        (vec![ping, initialize], Malformed::InitializeInBatch),
        (vec![ping, "[]"], Malformed::NotAnObject),
        (
            vec![ping, r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#],
            Malformed::CallWithoutId,
        ),
    ] {
        assert_eq!(batch(&messages), Err(malformed));
    }
    assert_eq!(Message::read_batch(CALL.as_bytes()), Err(Malformed::NotJson { at: 0 }));
}

#[test]
fn a_refusal_carries_the_id_only_if_all_readers_see_it() {
    for (body, id) in [
        (r#"{"jsonrpc":"2.0","id":"x","method":"tools/call"}"#, Some(r#""x""#)),
        (r#"{"id":7,"method":"ping","params":[]}"#, Some("7")),
        (r#"{"id":7,"id":8}"#, None),
        (r#"{"id":7,"Id":8}"#, None),
        (r#"{"id":7} x"#, None),
        (r#"{"id":7,"params":{"a":1,"a":2}}"#, None),
        (r#"{"id":null}"#, None),
        (r#"[{"id":7}]"#, None),
        ("", None),
    ] {
        assert_eq!(Message::id_of_refused(body.as_bytes()).map(Id::raw), id, "{body}");
    }
}

/// A message with a few bytes changed, put in, taken out or doubled.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let message = prop::sample::select(vec![
        CALL.to_owned(),
        CALL.replace("\"pay\"", r#""p\u0061y""#),
        r#"{"method":"tools/call","jsonrpc":"2.0","params":{"arguments":{"x":[{"name":"n"}]},"name":"x","_meta":{}},"id":"i"}"#
            .to_owned(),
    ]);
    let place = any::<prop::sample::Index>;
    let byte = prop::sample::select(b"{}[],:\"\\0aNn \n\x00\xff".to_vec());
    let change = (0_u8..4, place(), place(), byte);
    (message, prop::collection::vec(change, 0..4)).prop_map(|(message, changes)| {
        let mut bytes = message.into_bytes();
        for (kind, from, to, byte) in changes {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            match kind {
                0 => bytes[from] = byte,
                1 => bytes.insert(from, byte),
                2 if bytes.len() > 1 => drop(bytes.remove(from)),
                _ => {
                    let span = bytes[from.min(to)..from.max(to)].to_vec();
                    bytes.splice(from..from, span);
                }
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_decided_is_what_the_backend_reads(body in mutated()) {
        if let Ok(Message::Request(Request { id, method, params })) = Message::read(&body) {
            let theirs: serde_json::Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(&theirs["method"], &json!(method));
            prop_assert_eq!(&theirs["id"], &serde_json::from_str::<serde_json::Value>(id.raw()).unwrap());
            if method == mcp::TOOLS_CALL {
                prop_assert_eq!(&theirs["params"]["name"], &json!(params.name.unwrap()));
                let arguments: serde_json::Value = serde_json::from_str(params.arguments).unwrap();
                let lacking = json!({});
                prop_assert_eq!(theirs["params"].get("arguments").unwrap_or(&lacking), &arguments);
            }
        }
    }
}

#[test]
fn ids_are_the_same_however_they_are_written() {
    for (one, other, same) in [
        ("1", "1", true),
        ("1", "1.0", true),
        ("1", "10e-1", true),
        (r#""a""#, r#""\u0061""#, true),
        ("1", r#""1""#, false),
        ("1", "2", false),
        (r#""a""#, r#""A""#, false),
    ] {
        let id = |raw| Id::from_raw(raw).unwrap();
        assert_eq!(id(one).is_same(id(other)), same, "{one} {other}");
    }
}
