//! JSON-RPC messages: whatever a backend reads them with sees the very call that is decided, and what is cut out of a
//! list stays out.

#[path = "jsonrpc/lenient.rs"]
mod lenient;
#[path = "jsonrpc/readers.rs"]
mod readers;

use protocol::message::{Message, Params};
use protocol::pointer::{Pointer, text_at};
use protocol::tools_list::{Caching, Choice, Edited, Tool, edit};
use serde_json::{Value, json};

use self::readers::{Reader, Seen, Subject};

/// True if the bytes are a message, or a batch of them, that is accepted.
pub(crate) fn holds(body: &[u8]) -> bool {
    list_holds(body);
    let messages = match Message::read(body) {
        Ok(message) => vec![message],
        Err(_) => match Message::read_batch(body) {
            Ok(messages) => messages,
            Err(_) => return false,
        },
    };
    let theirs = parse(body);
    match theirs.as_array() {
        Some(elements) => {
            messages.iter().zip(elements).for_each(|(message, theirs)| message_holds(message, theirs))
        }
        None => messages.iter().for_each(|message| message_holds(message, &theirs)),
    }
    everyone_sees(body, &messages);
    true
}

/// No way of reading the body sees anything else than what is decided.
fn everyone_sees(body: &[u8], messages: &[Message<'_>]) {
    let values = lenient::values(body);
    assert_eq!(values.len(), 1, "a second value");
    for reader in readers::all() {
        let decided: Vec<Seen> = messages.iter().map(|message| decided(reader, message)).collect();
        assert_eq!(reader.messages(&values), decided, "{reader:?}");
    }
}

/// What is decided, as a reader would say it.
fn decided(reader: Reader, message: &Message<'_>) -> Seen {
    let value = |raw: &str| reader.canonical(&lenient::values(raw.as_bytes())[0]);
    let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let subject = |params: &Params<'_>| Subject {
        name: owned(&params.name),
        uri: owned(&params.uri),
        task_id: owned(&params.task_id),
        arguments: value(params.arguments),
    };
    let id = match message {
        Message::Request(request) => Some(value(request.id.raw())),
        Message::Response(response) => response.id.map(|id| value(id.raw())),
        Message::Notification(_) => None,
    };
    Seen { method: message.method().map(str::to_owned), id, subject: message.params().map(subject) }
}

fn message_holds(message: &Message<'_>, theirs: &Value) {
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
