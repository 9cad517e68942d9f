use serde_json::Value;

use super::*;

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
/// The key pair of RFC 8037 appendix A.
const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn hmac(changes: Value) -> Value {
    changed(json!({ "kty": "oct", "kid": "k1", "alg": "HS256", "k": SECRET, "state": "signing" }), changes)
}

fn pair(changes: Value) -> Value {
    let jwk =
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed1", "x": PUBLIC, "d": SEED, "state": "signing" });
    changed(jwk, changes)
}

/// With these members in place of its own; null takes a member away.
fn changed(mut jwk: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        jwk[name] = value;
    }
    jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    jwk
}

fn read(jwks: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::from_jwks(json!({ "keys": jwks }).to_string().as_bytes())
}

#[test]
fn each_mistake_is_told_with_the_key() {
    use KeyMistake::*;
    let second = |changes: Value| vec![hmac(json!({})), changed(hmac(json!({ "kid": "k2" })), changes)];
    let table = [
        (vec![hmac(json!({ "kty": null }))], "k1", NoMember("kty")),
        (vec![hmac(json!({ "kty": "RSA" }))], "k1", UnknownType),
        (vec![hmac(json!({ "alg": "HS512" }))], "k1", UnknownAlgorithm),
        (vec![hmac(json!({ "alg": "none" }))], "k1", UnknownAlgorithm),
        (vec![hmac(json!({ "alg": "EdDSA" }))], "k1", WrongAlgorithm),
        (vec![hmac(json!({ "k": null }))], "k1", NoMember("k")),
        (vec![hmac(json!({ "k": 7 }))], "k1", MemberType),
        (vec![hmac(json!({ "k": format!("{SECRET}=") }))], "k1", NotBase64url("k")),
        (vec![hmac(json!({ "k": "" }))], "k1", ShortSecret),
        (vec![hmac(json!({ "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ" }))], "k1", ShortSecret),
        (vec![hmac(json!({ "state": "retired" }))], "k1", UnknownState),
        (vec![hmac(json!({ "not_after": "2027" }))], "k1", MemberType),
        (vec![hmac(json!({ "use": "enc" }))], "k1", NotPermitted),
        (vec![hmac(json!({ "key_ops": ["wrapKey"], "state": null }))], "k1", NotPermitted),
        (vec![hmac(json!({ "key_ops": ["verify"] }))], "k1", NotPermitted),
        (vec![pair(json!({ "alg": "HS256" }))], "ed1", WrongAlgorithm),
        (vec![pair(json!({ "alg": "ES256" }))], "ed1", UnknownAlgorithm),
        (vec![pair(json!({ "crv": null }))], "ed1", NoMember("crv")),
        (vec![pair(json!({ "crv": "X25519" }))], "ed1", UnknownCurve),
        (vec![pair(json!({ "x": null }))], "ed1", NoMember("x")),
        (vec![pair(json!({ "x": "AAAA" }))], "ed1", NotBase64url("x")),
        (vec![pair(json!({ "x": "A".repeat(43), "d": null }))], "ed1", PublicKey),
        (vec![pair(json!({ "d": "AAAA" }))], "ed1", NotBase64url("d")),
        (vec![pair(json!({ "d": SECRET }))], "ed1", KeyPair),
        (vec![hmac(json!({})), hmac(json!({ "state": "verifying" }))], "k1", IdTwice),
        (second(json!({})), "k2", SecondSigningKey),
        (second(json!({ "state": null })), "k2", NoState),
    ];
    for (jwks, kid, mistake) in table {
        let error = read(&jwks).unwrap_err();
        assert_eq!(error, KeySetError::Key { kid: kid.parse().unwrap(), mistake }, "{jwks:?}");
    }
}

#[test]
fn each_mistake_of_the_whole_set_is_told() {
    let many: Vec<_> = (0..=KEYS_MAX).map(|n| hmac(json!({ "kid": format!("k{n}") }))).collect();
    let no_id = |position| KeySetError::KeyId { position };
    let shape = |column| KeySetError::Json(JsonError::Shape { line: 1, column });
    let set = |jwks: &[Value]| json!({ "keys": jwks }).to_string();
    let no_keys = r#"{"kty":"oct","kid":"k1"}"#;
    let repeated = r#"{"keys":[{"kid":"k1","kid":"k2"}]}"#;
    let table = [
        (set(&[]), KeySetError::NoKeys),
        (set(&many), KeySetError::TooManyKeys),
        (" ".repeat(KEY_SET_MAX_BYTES + 1), KeySetError::TooLong),
        (set(&[hmac(json!({ "kid": null }))]), no_id(1)),
        (set(&[hmac(json!({})), hmac(json!({ "kid": "" }))]), no_id(2)),
        (set(&[hmac(json!({ "kid": "k 1" }))]), no_id(1)),
        (set(&[hmac(json!({ "kid": "k".repeat(129) }))]), no_id(1)),
        (set(&[hmac(json!({ "kid": 1 }))]), no_id(1)),
        (set(&[json!("k1")]), no_id(1)),
        ("{}".to_owned(), shape(2)),
        (no_keys.to_owned(), shape(no_keys.len())),
        (repeated.to_owned(), shape(repeated.rfind(':').unwrap())),
        ("{".to_owned(), KeySetError::Json(JsonError::Syntax { line: 1, column: 1 })),
    ];
    for (text, error) in table {
        assert_eq!(KeySet::from_jwks(text.as_bytes()).unwrap_err(), error, "{text}");
    }
}

#[test]
fn a_set_signs_with_its_signing_key_and_no_other() {
    let verifying =
        |jwk: Value| changed(jwk, json!({ "state": "verifying", "not_after": 4_102_444_800_u64 }));
    let public = pair(json!({ "d": null, "state": null }));
    let table = [
        (vec![hmac(json!({}))], true),
        (vec![hmac(json!({ "state": null, "alg": null, "ext": true, "use": "sig" }))], true),
        (vec![hmac(json!({ "state": null, "key_ops": ["verify"] }))], false),
        (vec![verifying(hmac(json!({})))], false),
        (vec![pair(json!({ "state": null, "alg": "EdDSA", "key_ops": ["sign"] }))], true),
        (vec![public.clone()], false),
        (vec![changed(public, json!({ "state": "signing" })), verifying(hmac(json!({})))], false),
        (vec![verifying(hmac(json!({}))), pair(json!({}))], true),
        (vec![verifying(hmac(json!({}))), verifying(pair(json!({})))], false),
    ];
    for (jwks, signs) in table {
        assert_eq!(read(&jwks).unwrap().signer().is_some(), signs, "{jwks:?}");
    }
}

#[test]
fn a_key_is_found_until_it_is_past_its_end() {
    let set = read(&[hmac(json!({ "not_after": 100 })), pair(json!({ "state": "verifying" }))]).unwrap();
    let found = |kid, now_seconds| set.find(kid, now_seconds).is_some();
    assert!(found("k1", 100) && !found("k1", 101), "`not_after` is the last second");
    assert!(found("ed1", u64::MAX), "a key without `not_after` does not end");
    assert!(!found("k2", 0) && !found("K1", 0) && !found("", 0));
}

#[test]
fn generated_key_files_can_be_read_and_sign() {
    let kid: KeyId = "2027-01~a/b".parse().unwrap();
    for text in [KeySet::generate_hs256(&kid, &[7; 32]), KeySet::generate_ed25519(&kid, &[7; 32])] {
        let set = KeySet::from_jwks(text.as_bytes()).unwrap();
        assert!(set.signer().is_some() && set.find(kid.as_str(), 0).is_some());
    }
    assert_ne!(KeySet::generate_hs256(&kid, &[7; 32]), KeySet::generate_hs256(&kid, &[8; 32]));
}

#[test]
fn public_keys_are_published_and_secrets_are_not() {
    let set = read(&[hmac(json!({ "state": "verifying" })), pair(json!({ "not_after": 100 }))]).unwrap();
    let expected = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "kid": "ed1", "alg": "EdDSA", "x": PUBLIC, "use": "sig",
        "state": "signing", "not_after": 100,
    }]});
    assert_eq!(serde_json::from_str::<Value>(&set.public_jwks()).unwrap(), expected);
    let published = KeySet::from_jwks(set.public_jwks().as_bytes()).unwrap();
    assert!(published.signer().is_none() && published.find("ed1", 100).is_some());
    assert_eq!(read(&[hmac(json!({}))]).unwrap().public_jwks(), r#"{"keys":[]}"#);
}

#[test]
fn debug_output_holds_no_key() {
    let hmac_set = read(&[hmac(json!({}))]).unwrap();
    let pair_set = read(&[pair(json!({}))]).unwrap();
    for (set, secret) in [(hmac_set, SECRET), (pair_set, SEED)] {
        let debug = format!("{set:?} {:#?}", set.signer());
        let bytes = base64url::decode(secret).unwrap();
        let hex: String = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{}, {}, {}", bytes[0], bytes[1], bytes[2]);
        for form in [secret, &hex, &list] {
            assert!(!debug.to_lowercase().contains(&form.to_lowercase()), "{form} in {debug}");
        }
        assert!(debug.contains("signing key [redacted]"));
    }
}
