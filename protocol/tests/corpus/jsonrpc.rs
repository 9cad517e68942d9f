//! JSON-RPC messages: what is decided is what another reader sees, and what is cut out of a list stays out.

use protocol::message::Message;
use protocol::pointer::{Pointer, text_at};
use protocol::tools_list::{Caching, Choice, Edited, Tool, edit};
use serde_json::{Value, json};

/// True if the bytes are a message that is accepted.
pub(crate) fn holds(body: &[u8]) -> bool {
    list_holds(body);
    let Ok(message) = Message::read(body) else { return false };
    let theirs = parse(body);
    if let (Some(method), Some(params)) = (message.method(), message.params()) {
        assert_eq!(theirs.get("method"), Some(&json!(method)));
        let their_params =
            theirs.get("params").filter(|params| !params.is_null()).cloned().unwrap_or(json!({}));
        assert_eq!(parse(params.raw.as_bytes()), their_params);
        if method == "tools/call" {
            let arguments = parse(params.arguments.as_bytes());
            assert_eq!(their_params.get("name"), Some(&json!(params.name.as_deref())));
            assert_eq!(their_params.get("arguments").unwrap_or(&json!({})), &arguments);
            pointer_holds(params.arguments, &arguments);
        }
    }
    if let Message::Request(request) = &message {
        assert_eq!(theirs.get("id"), Some(&parse(request.id.raw().as_bytes())));
    }
    true
}

/// A pointer finds the text that `serde_json` finds there.
fn pointer_holds(arguments: &str, theirs: &Value) {
    for pointer in ["", "/a", "/a/0", "/a/b", "/~0/~1"] {
        if let Ok(found) = text_at(arguments, &Pointer::parse(pointer).unwrap()) {
            let text = theirs.pointer(pointer).map(|value| value.as_str().unwrap().to_owned());
            assert_eq!(found.map(Into::into), text);
        }
    }
}

/// A list with every tool cut out has none, whoever reads it; and with a word in each description it has them all.
fn list_holds(body: &[u8]) {
    let private = Caching::Private { ttl_max_ms: 60_000 };
    let mut tools = 0;
    let annotated = edit(body, private, |_| {
        tools += 1;
        Choice::Annotate("[x]")
    });
    if let Ok(Edited::Rewritten { body, .. }) = annotated {
        let mut again = 0;
        let count = |tool: &Tool<'_>| {
            let tool: Value = parse(tool.definition.as_bytes());
            let description = tool.get("description").and_then(Value::as_str);
            assert!(description.is_some_and(|text| text.ends_with("[x]")));
            again += 1;
            Choice::Keep
        };
        assert_eq!(edit(&body, private, count), Ok(Edited::Untouched));
        assert_eq!(again, tools);
    }
    let Ok(Edited::Rewritten { body, .. }) = edit(body, private, |_| Choice::Remove) else { return };
    let stays = |tool: &Tool<'_>| panic!("`{}` stayed", tool.name);
    assert_eq!(edit(&body, private, stays), Ok(Edited::Untouched));
    let theirs = parse(&body);
    let messages = theirs.as_array().cloned().unwrap_or_else(|| vec![theirs.clone()]);
    for result in messages.iter().filter_map(|message| message.get("result")) {
        assert!(result.get("tools").is_none_or(|tools| tools.is_null() || *tools == json!([])));
    }
}

/// `serde_json`, without its limit on nesting.
fn parse(text: &[u8]) -> Value {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    deserializer.disable_recursion_limit();
    let value = serde::Deserialize::deserialize(&mut deserializer).unwrap();
    deserializer.end().unwrap();
    value
}
