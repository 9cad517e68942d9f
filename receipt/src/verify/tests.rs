use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::digest::ArgumentsError;
use crate::key::SigningKey;

const VECTORS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/receipts.json"));
const NOW_SECONDS: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

#[derive(Deserialize)]
struct Vectors {
    keys: Value,
    audience: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    token: String,
    expect: Vec<String>,
    body: Option<String>,
    args: Option<String>,
    #[serde(rename = "use")]
    use_: Option<Use>,
}

fn vectors() -> (KeySet, Vectors) {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    (KeySet::from_jwks(vectors.keys.to_string().as_bytes()).unwrap(), vectors)
}

#[test]
fn every_vector_gets_one_of_its_answers() {
    let (keys, vectors) = vectors();
    assert!(!vectors.cases.is_empty());
    for case in vectors.cases {
        let expected = Expected {
            audience: Some(&vectors.audience),
            use_: case.use_,
            body: case.body.as_deref().map(str::as_bytes),
            args: case.args.as_deref(),
            ..Expected::default()
        };
        let answer = verify(&keys, &case.token, &expected, NOW_SECONDS);
        let answer = answer.map_or_else(Refusal::name, |_| "ok");
        assert!(case.expect.iter().any(|expect| expect == answer), "{}: {answer}", case.name);
    }
}

/// A genuine signature over whatever the parts say.
fn signed(header: &str, claims: &str) -> String {
    let part = |text: &str| base64url::display(text.as_bytes()).to_string();
    let mut token = format!("{}.{}", part(header), part(claims));
    SigningKey::hs256(SECRET).unwrap().append_signature(&mut token);
    token
}

const HEADER: &str = r#"{"alg":"HS256","kid":"k1","typ":"oakgate-receipt+jwt"}"#;

fn grant() -> Value {
    let args_sha256 = args_sha256(r#"{"n":1}"#).unwrap();
    json!({
        "use": "grant", "iss": "control", "aud": "files", "sub": "agent-7", "org": "acme", "tool": "write",
        "verdict": "allowed", "policy": 42, "args_sha256": args_sha256, "iat": NOW_SECONDS,
        "exp": NOW_SECONDS + 300, "jti": "AAAAAAAAAAAAAAAAAAAAAA",
    })
}

#[test]
fn a_header_or_claims_of_another_form_are_malformed_though_signed() {
    let (keys, _) = vectors();
    let claims = grant().to_string();
    let ok = signed(HEADER, &claims);
    assert!(verify(&keys, &ok, &Expected::default(), NOW_SECONDS).is_ok());
    let with = |member: &str| claims.replacen('{', &format!("{{{member},"), 1);
    let tolerated = signed(HEADER, &with(r#""later":{"a":1}"#));
    assert!(verify(&keys, &tolerated, &Expected::default(), NOW_SECONDS).is_ok());

    let header = |from: &str, to: &str| signed(&HEADER.replace(from, to), &claims);
    let refused = [
        header(r#""HS256""#, r#""hs256""#),
        header(r#""HS256""#, r#"["HS256"]"#),
        header(r#""kid":"k1""#, r#""kid":["k1"]"#),
        header(r#""kid":"k1""#, r#""kid":"k1","kid":"k1""#),
        header(r#""kid":"k1""#, r#""kid":"k1","\u006bid":"k1""#),
        header("oakgate-receipt+jwt", "application/oakgate-receipt+jwt"),
        header("}", r#","jku":"https://keys.example"}"#),
        header("}", "}{}"),
        signed(&format!("\u{feff}{HEADER}"), &claims),
        signed("[]", &claims),
        signed(HEADER, "[]"),
        signed(HEADER, ""),
        signed(HEADER, &format!("{claims}{claims}")),
        signed(HEADER, &with(r#""aud":"files""#)),
        signed(HEADER, &with(r#""later":{"a":1,"a":2}"#)),
        signed(HEADER, &claims.replace(r#""files""#, r#"["files"]"#)),
        signed(HEADER, &claims.replace("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB")),
        signed(HEADER, &claims.replace("AAAAAAAAAAAAAAAAAAAAAA", "AAAA")),
        signed(HEADER, &claims.replace(r#""allowed""#, r#""ALLOWED""#)),
        signed(HEADER, &claims.replace(r#""policy":42"#, r#""policy":-1"#)),
        format!("{ok}\n"),
        format!(" {ok}"),
        ok.replacen('.', "..", 1),
        signed(HEADER, &with(&format!(r#""later":"{}""#, "a".repeat(TOKEN_MAX_BYTES)))),
    ];
    for token in refused {
        let answer = verify(&keys, &token, &Expected::default(), NOW_SECONDS);
        assert_eq!(answer, Err(Refusal::Malformed), "{:?}", inspect(&token));
    }
}

#[test]
fn a_receipt_is_good_for_what_it_says_only() {
    let (keys, _) = vectors();
    let call = Coordinates { org: Some("acme"), tool: Some("write"), ..Coordinates::default() };
    let run = Expected::grant("files", "agent-7", call, r#"{ "n": 1.0 }"#);
    let elsewhere = |coordinates| Expected { coordinates: Some(coordinates), ..run };
    let stamped = |use_: &str, verdict: &str| {
        let mut claims = grant();
        (claims["use"], claims["verdict"]) = (json!(use_), json!(verdict));
        signed(HEADER, &claims.to_string())
    };
    let demand = |use_| Expected { use_: Some(use_), ..Expected::default() };
    let grant = signed(HEADER, &grant().to_string());
    let table = [
        (&grant, run, Ok(())),
        (&grant, demand(Use::Grant), Ok(())),
        (&grant, demand(Use::Stamp), Err(Refusal::WrongCall)),
        (&grant, demand(Use::Verdict), Err(Refusal::WrongCall)),
        (&stamped("stamp", "allowed"), run, Err(Refusal::NotAGrant)),
        (&stamped("verdict", "allowed"), run, Err(Refusal::NotAGrant)),
        (&stamped("grant", "disabled"), run, Err(Refusal::NotAGrant)),
        (&stamped("grant", "requires_approval"), run, Err(Refusal::NotAGrant)),
        (&stamped("stamp", "allowed"), demand(Use::Stamp), Ok(())),
        (&grant, Expected { audience: Some("file"), ..run }, Err(Refusal::WrongAudience)),
        (&grant, Expected { caller: Some("agent-8"), ..run }, Err(Refusal::WrongCaller)),
        (&grant, elsewhere(Coordinates { tool: Some("drop"), ..call }), Err(Refusal::WrongCall)),
        (&grant, elsewhere(Coordinates { org: None, ..call }), Err(Refusal::WrongCall)),
        (&grant, elsewhere(Coordinates { tenant: Some("eu"), ..call }), Err(Refusal::WrongCall)),
        (&grant, elsewhere(Coordinates { resource: Some(""), ..call }), Err(Refusal::WrongCall)),
        (&grant, elsewhere(Coordinates { method: Some("post"), ..call }), Err(Refusal::WrongCall)),
        (&grant, Expected { args: Some(r#"{"n":2}"#), ..run }, Err(Refusal::WrongCall)),
        (&grant, Expected { args: Some(r#"{"n":2,"n":1}"#), ..run }, Err(Refusal::WrongCall)),
        (&grant, Expected { body: Some(b"{\"n\":1}"), ..run }, Err(Refusal::WrongCall)),
    ];
    for (token, expected, answer) in table {
        assert_eq!(verify(&keys, token, &expected, NOW_SECONDS).map(drop), answer, "{expected:?}");
    }
    assert!(matches!(args_sha256(r#"{"n":2,"n":1}"#), Err(ArgumentsError::Json(_))));
}

#[test]
fn a_receipt_ends_with_its_last_second_and_its_key() {
    let (keys, vectors) = vectors();
    let token = signed(HEADER, &grant().to_string());
    let at = |token, now_seconds| verify(&keys, token, &Expected::default(), now_seconds).map(drop);
    assert_eq!(at(&token, NOW_SECONDS + 299), Ok(()));
    assert_eq!(at(&token, NOW_SECONDS + 300), Err(Refusal::Expired));
    assert_eq!(at(&token, NOW_SECONDS - 1000), Ok(()), "`iat` is evidence, not a limit");

    let k2 = vectors.cases.iter().find(|case| case.name == "a second key of the set").unwrap();
    assert_eq!(at(&k2.token, 4_102_444_799), Ok(()));
    assert_eq!(at(&k2.token, 4_102_444_800), Err(Refusal::Expired));
    assert_eq!(at(&k2.token, 4_102_444_801), Err(Refusal::UnknownKey));
}

#[test]
fn a_change_of_any_character_is_refused() {
    let keys_of = |jwks: &str| KeySet::from_jwks(jwks.as_bytes()).unwrap();
    let kid = "k1".parse().unwrap();
    let hs256 = (keys_of(&KeySet::generate_hs256(&kid, &[7; 32])), "AQgw-_ .=\n");
    let ed25519 = (keys_of(&KeySet::generate_ed25519(&kid, &[7; 32])), "A-");
    for (keys, replacements) in [hs256, ed25519] {
        let claims: Claims<'_> = serde_json::from_value(grant()).unwrap();
        let token = keys.signer().unwrap().sign(&claims).unwrap();
        for (index, original) in token.char_indices() {
            let (before, after) = (token.split_at(index).0, token.split_at(index + 1).1);
            let cut = [format!("{before}{after}"), before.to_owned()];
            let others = replacements.chars().filter(|&other| other != original);
            let changed = others.map(|other| format!("{before}{other}{after}"));
            for token in changed.chain(cut) {
                let answer = verify(&keys, &token, &Expected::default(), NOW_SECONDS);
                assert!(answer.is_err(), "{token}");
            }
        }
    }
}

#[test]
fn a_public_key_is_not_taken_for_a_secret() {
    let kid = "k1".parse().unwrap();
    let keys = KeySet::from_jwks(KeySet::generate_ed25519(&kid, &[7; 32]).as_bytes()).unwrap();
    let public = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
    let mut token = signed(HEADER, &grant().to_string()).rsplit_once('.').unwrap().0.to_owned();
    SigningKey::hs256(public.as_bytes()).unwrap().append_signature(&mut token);
    let answer = verify(&keys, &token, &Expected::default(), NOW_SECONDS);
    assert_eq!(answer, Err(Refusal::BadSignature));
}

#[test]
fn inspecting_decodes_and_believes_nothing() {
    let claims = grant();
    let mut token = signed(HEADER, &claims.to_string());
    token.push_str("xxxx");
    let seen = inspect(&token).unwrap();
    assert_eq!(Value::Object(seen.header), serde_json::from_str::<Value>(HEADER).unwrap());
    assert_eq!(Value::Object(seen.claims), claims);
    assert_eq!(inspect("a.b"), Err(Refusal::Malformed));
    assert_eq!(inspect(&signed(HEADER, r#"{"a":1,"a":2}"#)), Err(Refusal::Malformed));
}
