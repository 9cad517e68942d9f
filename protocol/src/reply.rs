//! The JSON-RPC messages that we write ourselves. An id or a token goes out as the text that came in.

use serde_json::Value;

use crate::message::Id;

/// Where a result's `_meta` says what policy decided.
pub const VERDICT_META: &str = "oakgate.dev/verdict";

/// A tool's result that says, to the model, that the call was not executed: HTTP 200, `isError`. It holds in every
/// revision; the verdict stands in `_meta`.
#[must_use]
pub fn tool_error(id: Id<'_>, text: &str, verdict: &Value) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","isError":true,"#,
            r#""content":[{{"type":"text","text":{text}}}],"_meta":{{"{meta}":{verdict}}}}}}}"#
        ),
        id = id.raw(),
        text = quoted(text),
        meta = VERDICT_META,
        verdict = verdict,
    )
    .into_bytes()
}

/// An error. Without an id (the request's could not be read) the member is left out, as MCP defines it.
#[must_use]
pub fn error(id: Option<Id<'_>>, code: i32, message: &str, data: Option<&Value>) -> Vec<u8> {
    let id = id.map_or_else(String::new, |id| format!(r#""id":{},"#, id.raw()));
    let data = data.map_or_else(String::new, |data| format!(r#","data":{data}"#));
    format!(
        r#"{{"jsonrpc":"2.0",{id}"error":{{"code":{code},"message":{message}{data}}}}}"#,
        message = quoted(message)
    )
    .into_bytes()
}

/// A `notifications/progress`. The token is [`crate::message::Params::progress_token`]; `progress` only ever rises.
#[must_use]
pub fn progress(progress_token: &str, progress: u64, message: &str) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"#,
            r#""progressToken":{token},"progress":{progress},"message":{message}}}}}"#
        ),
        token = progress_token,
        progress = progress,
        message = quoted(message),
    )
    .into_bytes()
}

/// A `notifications/tools/list_changed`; where it comes in a `subscriptions/listen` stream, with that request's id.
#[must_use]
pub fn tools_list_changed(subscription: Option<Id<'_>>) -> Vec<u8> {
    let params = subscription.map_or_else(String::new, |id| {
        format!(r#","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{}}}}}"#, id.raw())
    });
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed"{params}}}"#).into_bytes()
}

/// The answer to a batch: the answers to its messages, each of them whole.
#[must_use]
pub fn batch(answers: &[Vec<u8>]) -> Vec<u8> {
    let mut written = b"[".to_vec();
    for (number, answer) in answers.iter().enumerate() {
        if number > 0 {
            written.push(b',');
        }
        written.extend_from_slice(answer);
    }
    written.push(b']');
    written
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::Message;

    fn id_of(body: &str) -> Id<'_> {
        Message::id_of_refused(body.as_bytes()).unwrap()
    }

    #[test]
    fn answers_are_json_and_echo_the_id_as_it_came() {
        let text = "Not executed: \"pay\"\n\u{0}\u{2028}é";
        let verdict = json!({"permission":"disabled","level":"tool"});
        let table = [
            (
                tool_error(id_of(r#"{"id":"\u0061/"}"#), text, &verdict),
                r#""id":"\u0061/""#,
                json!({"jsonrpc":"2.0","id":"a/","result":{"resultType":"complete","isError":true,
                    "content":[{"type":"text","text":text}],"_meta":{"oakgate.dev/verdict":verdict}}}),
            ),
            (
                error(Some(id_of(r#"{"id":1.0}"#)), -32602, text, Some(&json!([1]))),
                r#""id":1.0"#,
                json!({"jsonrpc":"2.0","id":1.0,"error":{"code":-32602,"message":text,"data":[1]}}),
            ),
            (
                error(None, -32700, "not JSON", None),
                r#""code":-32700"#,
                json!({"jsonrpc":"2.0","error":{"code":-32700,"message":"not JSON"}}),
            ),
            (
                progress(r#""t\u0031""#, 3, text),
                r#""progressToken":"t\u0031""#,
                json!({"jsonrpc":"2.0","method":"notifications/progress",
                    "params":{"progressToken":"t1","progress":3,"message":text}}),
            ),
            (
                tools_list_changed(None),
                "list_changed",
                json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"}),
            ),
            (
                tools_list_changed(Some(id_of(r#"{"id":"\u0061"}"#))),
                r#"Id":"\u0061""#,
                json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed",
                    "params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"a"}}}),
            ),
            (
                batch(&[error(None, 1, "a", None), error(None, 2, "b", None)]),
                "},{",
                json!([{"jsonrpc":"2.0","error":{"code":1,"message":"a"}},
                    {"jsonrpc":"2.0","error":{"code":2,"message":"b"}}]),
            ),
        ];
        for (bytes, raw, expected) in table {
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
            assert!(String::from_utf8(bytes).unwrap().contains(raw), "{raw}");
        }
    }
}
