use serde_json::json;

use super::*;

const URL: &str = "wss://control.example.com/v1/sync";
const KEY: &str = "oak_policy_public_x-Y";

fn token() -> String {
    format!("oak_proxy_{}", "aB-_".repeat(11).split_off(1))
}

fn encoded(json: &serde_json::Value) -> String {
    format!("oakgate_join_{}", URL_SAFE_NO_PAD.encode(json.to_string()))
}

#[test]
fn a_line_reads_back_with_white_space_around_it() {
    let line = JoinLine::new(URL, &token(), KEY, "gate-1").unwrap();
    let text = line.to_text();
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{}", *text);
    let again = JoinLine::parse(&format!(" {}\r\n", *text)).unwrap();
    let link = again.link("state".into(), None);
    let RelayTokenPlace::Given(read) = &link.relay_token else { panic!("{link:?}") };
    assert_eq!((link.url.uri.to_string().as_str(), read.expose()), (URL, token().as_str()));
    assert_eq!((link.policy_keys, again.name()), (PolicyKeysPlace::Given(KEY.to_owned()), "gate-1"));
}

#[test]
fn the_token_is_not_shown() {
    let line = JoinLine::new(URL, &token(), KEY, "gate-1").unwrap();
    let shown = format!("{line:?}");
    assert!(shown.contains("gate-1") && !shown.contains("oak_proxy_"), "{shown}");
}

#[test]
fn a_text_that_is_no_line_says_what_is_wrong_with_it() {
    let good = json!({"url": URL, "token": token(), "policy_key": KEY, "name": "gate-1"});
    assert!(JoinLine::parse(&encoded(&good)).is_ok());
    let with = |field: &str, value: serde_json::Value| {
        let mut changed = good.clone();
        changed[field] = value;
        encoded(&changed)
    };
    let cut: String = encoded(&good).chars().take(PREFIX.len() + 40).collect();
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("policy_key");
    for (text, expected) in [
        (String::new(), JoinLineError::Prefix),
        (token(), JoinLineError::Prefix),
        (format!("oakgate proxy {}", encoded(&good)), JoinLineError::Prefix),
        (format!("oakgate_join_{}", "a".repeat(LINE_BYTES_MAX + 1)), JoinLineError::TooLong),
        ("oakgate_join_a b".to_owned(), JoinLineError::Encoding),
        (format!("{}=", encoded(&good)), JoinLineError::Encoding),
        (cut, JoinLineError::Fields),
        ("oakgate_join_".to_owned(), JoinLineError::Fields),
        (encoded(&json!([])), JoinLineError::Fields),
        (encoded(&missing), JoinLineError::Fields),
        (with("later", json!(1)), JoinLineError::Fields),
        (with("name", json!(null)), JoinLineError::Fields),
        (with("name", json!("gate 1")), JoinLineError::Name),
        (with("token", json!("oak_agent_x")), JoinLineError::Token),
        (with("token", json!(format!("{}x", token()))), JoinLineError::Token),
        (with("policy_key", json!("")), JoinLineError::PolicyKey),
        (with("policy_key", json!("a b")), JoinLineError::PolicyKey),
    ] {
        assert_eq!(JoinLine::parse(&text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn a_link_is_over_tls_but_on_loopback() {
    for (url, is_good) in [
        ("wss://control.example.com/v1/sync", true),
        ("wss://10.0.0.1:8443/oakgate/v1/sync", true),
        ("ws://127.0.0.1:8081/v1/sync", true),
        ("ws://[::1]:8081/v1/sync", true),
        ("ws://localhost:8081/v1/sync", true),
        ("ws://control.example.com/v1/sync", false),
        ("ws://localhost.example.com/v1/sync", false),
        ("ws://10.0.0.1/v1/sync", false),
        ("https://control.example.com/v1/sync", false),
        ("wss://user@control.example.com/v1/sync", false),
        ("wss://user:x@control.example.com/v1/sync", false),
        ("wss://control.example.com/v1/sync?a=b", false),
        ("wss://control.example.com/v1/sync#a", false),
        ("wss:", false),
        ("control.example.com", false),
        ("", false),
    ] {
        let line = JoinLine::new(url, &token(), KEY, "gate-1");
        assert_eq!(line.err(), (!is_good).then_some(JoinLineError::Url), "{url}");
    }
}
