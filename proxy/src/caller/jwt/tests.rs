use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{AgentWhen, Algorithm};
use policy::CallerKind;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding,
};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://idp.example.com";
const AUDIENCE: &str = "https://tools.example.com/mcp";
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const NOW_SECONDS: i64 = 1_800_000_000;

fn settings() -> Jwt {
    Jwt {
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned(), "other".to_owned()],
        jwks: JwksPlace::File("keys.jwks".into()),
        ca_file: None,
        algorithms: vec![
            Algorithm::RS256,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::EdDSA,
        ],
        clock_skew_seconds: 60,
        jwks_refresh_seconds: 300,
        jwks_min_interval_seconds: 30,
        jwks_max_age_seconds: 86_400,
        caller_claim: "sub".to_owned(),
        tenant_claim: None,
        agent_when: None,
        required_scopes: Vec::new(),
        scopes_supported: Vec::new(),
    }
}

/// Keys that sign, and the set that says so.
struct Signers {
    rsa: RsaKeyPair,
    p256: Vec<u8>,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    fixture: Value,
}

impl Signers {
    fn new() -> Self {
        let random = SystemRandom::new();
        let fixture: Value = serde_json::from_str(include_str!("tests/rsa.json")).unwrap();
        let number = |name: &str| decode(fixture["key"][name].as_str().unwrap());
        let rsa = RsaKeyPair::from_components(&KeyPairComponents {
            public_key: PublicKeyComponents { n: number("n"), e: number("e") },
            d: number("d"),
            p: number("p"),
            q: number("q"),
            dP: number("dp"),
            dQ: number("dq"),
            qInv: number("qi"),
        });
        let ec = |kind: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let p384 = ec(&ECDSA_P384_SHA384_FIXED_SIGNING);
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            rsa: rsa.unwrap(),
            p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING).as_ref().to_vec(),
            p384: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, p384.as_ref(), &random).unwrap(),
            ed25519: Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap(),
            fixture,
        }
    }

    fn p256(&self, kind: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(kind, &self.p256, &SystemRandom::new()).unwrap()
    }

    fn rsa_jwk(&self, id: &str) -> Value {
        let key = &self.fixture["key"];
        json!({"kty": "RSA", "kid": id, "n": key["n"], "e": key["e"]})
    }

    fn jwks(&self) -> Value {
        let (p256, p384) = (self.p256(&ECDSA_P256_SHA256_FIXED_SIGNING), &self.p384);
        json!({"keys": [
            self.rsa_jwk("rsa"),
            point("P-256", "p256", p256.public_key().as_ref()),
            point("P-384", "p384", p384.public_key().as_ref()),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(self.ed25519.public_key().as_ref())},
        ]})
    }

    /// A signature in the way of an algorithm's name; `DER` and `RSA-n` are the ways of attackers.
    fn sign(&self, how: &str, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa.sign(encoding, &random, text, &mut signature).unwrap();
            signature
        };
        let ec = |pair: &EcdsaKeyPair| pair.sign(&random, text).unwrap().as_ref().to_vec();
        match how {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "RS512" => rsa(&RSA_PKCS1_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "PS384" => rsa(&RSA_PSS_SHA384),
            "ES256" => ec(&self.p256(&ECDSA_P256_SHA256_FIXED_SIGNING)),
            "ES256 in DER" => ec(&self.p256(&ECDSA_P256_SHA256_ASN1_SIGNING)),
            "ES384" => ec(&self.p384),
            "EdDSA" | "Ed25519" => self.ed25519.sign(text).as_ref().to_vec(),
            "HS256 with the modulus" => {
                let secret = decode(self.fixture["key"]["n"].as_str().unwrap());
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text).as_ref().to_vec()
            }
            "none" => Vec::new(),
            other => panic!("{other}"),
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of_text(header["alg"].as_str().unwrap(), &header.to_string(), &claims.to_string())
    }

    fn token_of_text(&self, how: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.sign(how, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn issuer(&self, settings: Jwt) -> Issuer {
        let issuer = issuer(settings);
        issuer.put(Keys::parse(self.jwks().to_string().as_bytes()).unwrap());
        issuer
    }
}

fn issuer(settings: Jwt) -> Issuer {
    let (loads, metrics) = (Arc::default(), Arc::new(Metrics::new().unwrap()));
    Issuer::new(settings, "agents", &Limits::default(), &loads, &metrics)
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn point(curve: &str, id: &str, key: &[u8]) -> Value {
    let (x, y) = key[1..].split_at((key.len() - 1) / 2);
    json!({"kty": "EC", "crv": curve, "kid": id, "x": encode(x), "y": encode(y)})
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": NOW_SECONDS + 600})
}

fn with(mut object: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(key)),
            value => object[key] = value.clone(),
        }
    }
    object
}

fn identify(issuer: &Issuer, token: &str) -> Result<Arc<Identity>, Refusal> {
    identify_for(issuer, token, None)
}

fn identify_for(issuer: &Issuer, token: &str, resource: Option<&str>) -> Result<Arc<Identity>, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(issuer.identify(token, resource, NOW))
}

fn name_of(found: &Result<Arc<Identity>, Refusal>) -> &str {
    match found {
        Ok(identity) => &identity.caller.id,
        Err(refusal) => refusal.name(),
    }
}

const ANN: &str = "jwt:https://idp.example.com#ann";

#[test]
fn every_algorithm_verifies() {
    let signers = Signers::new();
    let issuer = signers.issuer(settings());
    for (algorithm, id) in [
        ("RS256", "rsa"),
        ("RS512", "rsa"),
        ("PS256", "rsa"),
        ("ES256", "p256"),
        ("ES384", "p384"),
        ("EdDSA", "ed"),
        ("Ed25519", "ed"),
    ] {
        let token = signers.token(&json!({"alg": algorithm, "kid": id}), &claims());
        assert_eq!(name_of(&identify(&issuer, &token)), ANN, "{algorithm}");
        // One bit of the signature less, or of what it signs.
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut changed = decode(signature);
        changed[7] ^= 1;
        let forged = format!("{signed}.{}", encode(&changed));
        assert_eq!(name_of(&identify(&issuer, &forged)), "token-signature", "{algorithm}");
        let (header, _) = signed.split_once('.').unwrap();
        let other = encode(with(claims(), &json!({"sub": "root"})).to_string());
        let forged = format!("{header}.{other}.{signature}");
        assert_eq!(name_of(&identify(&issuer, &forged)), "token-signature", "{algorithm}");
    }
}

#[test]
fn hostile_headers() {
    let signers = Signers::new();
    let issuer = signers.issuer(settings());
    let own = point("P-256", "p256", signers.p384.public_key().as_ref());
    for (how, header, expected) in [
        ("none", json!({"alg": "none"}), "token-algorithm"),
        ("none", json!({"alg": "NONE", "kid": "rsa"}), "token-algorithm"),
        ("none", json!({"alg": "RS256", "kid": "rsa"}), "token-signature"),
        ("none", json!({"kid": "rsa"}), "token-malformed"),
        ("none", json!({"alg": 5, "kid": "rsa"}), "token-malformed"),
        ("HS256 with the modulus", json!({"alg": "HS256", "kid": "rsa"}), "token-algorithm"),
        ("HS256 with the modulus", json!({"alg": "RS256", "kid": "rsa"}), "token-signature"),
        ("RS256", json!({"alg": "rs256", "kid": "rsa"}), "token-algorithm"),
        // A good signature, of an algorithm that is not in the settings.
        ("PS384", json!({"alg": "PS384", "kid": "rsa"}), "token-algorithm"),
        // The key is another's.
        ("RS256", json!({"alg": "RS256", "kid": "p256"}), "token-algorithm"),
        ("ES256", json!({"alg": "ES256", "kid": "p384"}), "token-algorithm"),
        ("ES256", json!({"alg": "RS256", "kid": "rsa"}), "token-signature"),
        ("ES256 in DER", json!({"alg": "ES256", "kid": "p256"}), "token-signature"),
        ("RS256", json!({"alg": "RS256"}), "token-key"),
        ("RS256", json!({"alg": "RS256", "kid": "../../dev/null"}), "token-key"),
        ("RS256", json!({"alg": "RS256", "kid": "' OR 1=1 --"}), "token-key"),
        ("RS256", json!({"alg": "RS256", "kid": ""}), "token-key"),
        ("RS256", json!({"alg": "RS256", "kid": 1}), "token-malformed"),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "crit": []}), "token-critical"),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": false}), "token-critical"),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"}), "token-type"),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "typ": ["JWT"]}), "token-type"),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}), ANN),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "typ": "application/AT+JWT"}), ANN),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "typ": "jwt"}), ANN),
        // Keys that the token brings along are not looked at: neither for it nor against it.
        ("ES384", json!({"alg": "ES384", "kid": "p256", "jwk": own}), "token-algorithm"),
        ("RS256", json!({"alg": "RS256", "kid": "x", "jku": "http://127.0.0.1:1/jwks"}), "token-key"),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "x5u": "http://127.0.0.1:1/", "x5c": ["AA=="]}), ANN),
    ] {
        let token = signers.token_of_text(how, &header.to_string(), &claims().to_string());
        assert_eq!(name_of(&identify(&issuer, &token)), expected, "{how} {header}");
    }
}

#[test]
fn hostile_forms() {
    let signers = Signers::new();
    let issuer = signers.issuer(settings());
    let header = json!({"alg": "RS256", "kid": "rsa"}).to_string();
    let text = claims().to_string();
    let good = signers.token_of_text("RS256", &header, &text);
    assert_eq!(name_of(&identify(&issuer, &good)), ANN);
    let parts: Vec<&str> = good.split('.').collect();
    let twice = |text: &str| text.replacen('{', "{\"sub\":\"root\",", 1);
    // 256 bytes leave four bits over in the last letter; with any of them set it would be another spelling of the same.
    let mut spare = good.clone();
    let last = spare.pop().unwrap();
    spare.push(char::from_u32(u32::from(last) + 1).unwrap());
    for (token, expected) in [
        (String::new(), "token-malformed"),
        ("a".to_owned(), "token-malformed"),
        ("..".to_owned(), "token-malformed"),
        (format!("{}.{}", parts[0], parts[1]), "token-malformed"),
        (format!("{good}.{}", parts[2]), "token-malformed"),
        (format!("{good}="), "token-malformed"),
        (format!("{}=.{}.{}", parts[0], parts[1], parts[2]), "token-malformed"),
        (format!("{good} "), "token-malformed"),
        (spare, "token-malformed"),
        (good.replacen('.', "\u{ff0e}", 1), "token-malformed"),
        (signers.token_of_text("RS256", &twice(&header).replace("sub", "kid"), &text), "token-malformed"),
        (signers.token_of_text("RS256", &twice(&header).replace("sub", "alg"), &text), "token-malformed"),
        (signers.token_of_text("RS256", &header, &twice(&text)), "token-malformed"),
        (signers.token_of_text("RS256", &header, &text.replace("ann", "a\\u0000n")), "token-claims"),
        (signers.token_of_text("RS256", &header, &format!("{text}{text}")), "token-malformed"),
        (signers.token_of_text("RS256", &header, &format!("\u{feff}{text}")), "token-malformed"),
        (signers.token_of_text("RS256", &header, "[]"), "token-malformed"),
        (signers.token_of_text("RS256", &header, &good), "token-malformed"),
        (
            signers.token_of_text("RS256", &header, &format!("{{\"a\":{}1", "[".repeat(200))),
            "token-malformed",
        ),
        (
            signers.token_of_text("RS256", &header, &text.replace("ann", &"a".repeat(20_000))),
            "token-too-large",
        ),
    ] {
        assert_eq!(name_of(&identify(&issuer, &token)), expected, "{token}");
    }
}

#[test]
fn hostile_claims() {
    let signers = Signers::new();
    let issuer = signers.issuer(settings());
    for (changes, expected) in [
        (json!({}), ANN),
        (json!({"iss": "https://idp.example.com/"}), "token-issuer"),
        (json!({"iss": "https://IDP.example.com"}), "token-issuer"),
        (json!({"iss": [ISSUER]}), "token-issuer"),
        (json!({"iss": null}), "token-issuer"),
        (json!({"aud": "https://tools.example.com"}), "token-audience"),
        (json!({"aud": ["a", "b"]}), "token-audience"),
        (json!({"aud": []}), "token-audience"),
        (json!({"aud": null}), "token-audience"),
        (json!({"aud": {"0": AUDIENCE}}), "token-audience"),
        (json!({"aud": [AUDIENCE, 5]}), "token-audience"),
        (json!({"aud": ["a", "other"]}), ANN),
        (json!({"exp": null}), "token-claims"),
        (json!({"exp": "1900000000"}), "token-claims"),
        (json!({"exp": -1}), "token-claims"),
        (json!({"exp": 1e300}), "token-claims"),
        (json!({"exp": NOW_SECONDS - 60}), "credential-expired"),
        (json!({"exp": NOW_SECONDS - 59}), ANN),
        (json!({"exp": NOW_SECONDS as f64 - 58.5}), ANN),
        (json!({"nbf": NOW_SECONDS + 60}), ANN),
        (json!({"nbf": NOW_SECONDS + 61}), "token-not-yet-valid"),
        (json!({"nbf": true}), "token-claims"),
        (json!({"iat": NOW_SECONDS + 61}), "token-not-yet-valid"),
        (json!({"sub": null}), "token-claims"),
        (json!({"sub": ""}), "token-claims"),
        (json!({"sub": 7}), "token-claims"),
        (json!({"sub": "a b"}), "token-claims"),
        (json!({"sub": "a\nb"}), "token-claims"),
        (json!({"sub": "a\"b"}), "token-claims"),
        (json!({"sub": "a\\b"}), "token-claims"),
        (json!({"sub": "\u{430}nn"}), "token-claims"),
        (json!({"sub": "a".repeat(256)}), "token-claims"),
        (
            json!({"sub": "auth0|5f7c8ec7c33c6c004bbafe82"}),
            "jwt:https://idp.example.com#auth0|5f7c8ec7c33c6c004bbafe82",
        ),
    ] {
        let token = signers.token(&json!({"alg": "RS256", "kid": "rsa"}), &with(claims(), &changes));
        assert_eq!(name_of(&identify(&issuer, &token)), expected, "{changes}");
    }
}

#[test]
fn claims_say_who_calls() {
    let signers = Signers::new();
    let settings = Jwt {
        caller_claim: "client_id".to_owned(),
        tenant_claim: Some("org".to_owned()),
        agent_when: Some(AgentWhen { claim: "roles".to_owned(), values: vec!["agent".to_owned()] }),
        required_scopes: vec!["tools".to_owned()],
        ..settings()
    };
    let issuer = signers.issuer(settings);
    let given = json!({"client_id": "bot-7", "org": "acme", "scope": "openid tools"});
    for (changes, expected) in [
        (json!({}), Ok((CallerKind::Standard, Some("acme")))),
        (json!({"roles": ["x", "agent"]}), Ok((CallerKind::Agent, Some("acme")))),
        (json!({"roles": "agent"}), Ok((CallerKind::Agent, Some("acme")))),
        (json!({"roles": "agents"}), Ok((CallerKind::Standard, Some("acme")))),
        (json!({"scope": null, "scp": ["tools"]}), Ok((CallerKind::Standard, Some("acme")))),
        (json!({"scope": null}), Err("insufficient-scope")),
        (json!({"scope": "toolsmith"}), Err("insufficient-scope")),
        (json!({"org": null}), Err("token-claims")),
        (json!({"org": ["acme"]}), Err("token-claims")),
        (json!({"client_id": null}), Err("token-claims")),
    ] {
        let claims = with(with(claims(), &given), &changes);
        let found = identify(&issuer, &signers.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims));
        let named = found.as_ref().map(|identity| (identity.caller.kind, identity.tenant.as_deref()));
        assert_eq!(named.map_err(Refusal::name), expected, "{changes}");
        if let Ok(identity) = &found {
            assert_eq!(identity.caller.id, "jwt:https://idp.example.com#bot-7");
            assert_eq!(Value::Object(identity.caller.claims.clone()), claims);
            assert!(!identity.may_name_tenant);
        }
    }
}

#[test]
fn without_audiences_a_token_is_for_the_url_that_is_called() {
    let signers = Signers::new();
    let issuer = signers.issuer(Jwt { audiences: Vec::new(), ..settings() });
    let origin = "https://tools.example.com";
    for (audience, resource, is_for) in [
        (AUDIENCE, Some(AUDIENCE), true),
        (AUDIENCE, Some("https://tools.example.com/other"), false),
        (AUDIENCE, Some(origin), false),
        (origin, Some(AUDIENCE), false),
        (origin, Some(origin), true),
        ("https://tools.example.com/", Some(origin), true),
        ("https://tools.example.com/mcp/", Some(AUDIENCE), false),
        (AUDIENCE, None, false),
    ] {
        let claims = with(claims(), &json!({"aud": audience}));
        let token = signers.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims);
        // The second time it is remembered, and for one resource only all the same.
        for _ in 0..2 {
            let found = identify_for(&issuer, &token, resource);
            assert_eq!(found.is_ok(), is_for, "{audience} {resource:?}");
        }
    }
}

#[test]
fn keys_that_are_of_no_use_are_passed_over() {
    let signers = Signers::new();
    let rsa = signers.rsa_jwk("rsa");
    let ed = signers.jwks()["keys"][3].clone();
    let p256 = signers.jwks()["keys"][1].clone();
    let small = signers.fixture["small_public"].clone();
    let (short, off) = (json!({"x": "AA"}), json!({"x": "AAAA", "y": "AAAA"}));
    for (key, is_used) in [
        (rsa.clone(), true),
        (with(rsa.clone(), &json!({"use": "sig", "key_ops": ["verify"], "alg": "RS256"})), true),
        (with(rsa.clone(), &json!({"use": "enc"})), false),
        (with(rsa.clone(), &json!({"key_ops": ["encrypt"]})), false),
        (with(rsa.clone(), &json!({"alg": "ES256"})), false),
        (with(rsa.clone(), &json!({"alg": "RSA-OAEP"})), false),
        (with(rsa.clone(), &json!({"alg": "HS256"})), false),
        (with(rsa.clone(), &json!({"kty": "oct", "k": rsa["n"]})), false),
        (with(rsa.clone(), &json!({"kid": 5})), false),
        // Its secret part is for everybody to read.
        (signers.fixture["key"].clone(), false),
        (small, false),
        (with(rsa, &json!({"n": "AAAA"})), false),
        (p256.clone(), true),
        (with(p256.clone(), &off), false),
        (with(p256.clone(), &json!({"crv": "P-384"})), false),
        (with(p256, &json!({"crv": "secp256k1"})), false),
        (with(ed, &short), false),
    ] {
        let keys = Keys::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
        assert_eq!(keys.0.len(), usize::from(is_used), "{key}");
    }
    let many = json!({"keys": vec![json!({}); jwks::KEYS_MAX + 1]}).to_string();
    for (document, expected) in [
        ("", NoJwks::NotJson),
        ("<html>", NoJwks::NotJson),
        ("{}", NoJwks::NotJson),
        ("{\"keys\": {}}", NoJwks::NotJson),
        ("{\"keys\": [], \"keys\": []}", NoJwks::NotJson),
        ("{\"keys\": []} x", NoJwks::NotJson),
        (&many, NoJwks::TooManyKeys),
        (&" ".repeat(jwks::JWKS_MAX_BYTES + 1), NoJwks::TooLarge),
    ] {
        assert_eq!(Keys::parse(document.as_bytes()).unwrap_err(), expected);
    }
}

#[test]
fn one_key_needs_no_name_and_a_name_must_be_one_keys() {
    let signers = Signers::new();
    let issuer = signers.issuer(settings());
    let token = |header: Value| signers.token(&header, &claims());
    let unnamed = token(json!({"alg": "RS256"}));
    let named = token(json!({"alg": "RS256", "kid": "rsa"}));
    for (keys, of_unnamed, of_named) in [
        (json!([signers.rsa_jwk("rsa")]), ANN, ANN),
        (json!([with(signers.rsa_jwk(""), &json!({"kid": null}))]), ANN, "token-key"),
        (json!([signers.rsa_jwk("rsa"), signers.rsa_jwk("rsa")]), "token-key", "token-key"),
        (json!([]), "token-key", "token-key"),
    ] {
        issuer.put(Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap());
        assert_eq!(name_of(&identify(&issuer, &unnamed)), of_unnamed, "{keys}");
        assert_eq!(name_of(&identify(&issuer, &named)), of_named, "{keys}");
    }
}

#[test]
fn a_token_is_good_as_long_as_its_key() {
    let signers = Signers::new();
    let issuer = signers.issuer(settings());
    let by_rsa = signers.token(&json!({"alg": "RS256", "kid": "rsa"}), &claims());
    let by_ed = signers.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims());
    let first = identify(&issuer, &by_rsa).unwrap();
    let other = identify(&issuer, &by_ed).unwrap();
    assert!(Arc::ptr_eq(&first.load, &other.load), "one caller has one count");
    // The same keys once more: what was verified is remembered.
    assert!(!issuer.put(Keys::parse(signers.jwks().to_string().as_bytes()).unwrap()));
    assert!(Arc::ptr_eq(&identify(&issuer, &by_rsa).unwrap(), &first));
    // Without the one key, its tokens are not good any more, remembered or not; the other's are.
    let mut without = signers.jwks();
    without["keys"].as_array_mut().unwrap().remove(0);
    assert!(issuer.put(Keys::parse(without.to_string().as_bytes()).unwrap()));
    assert_eq!(name_of(&identify(&issuer, &by_rsa)), "token-key");
    assert!(Arc::ptr_eq(&identify(&issuer, &by_ed).unwrap(), &other));
    assert!(!first.is_good(NOW) && other.is_good(NOW));
    // Another key under the same name is another key.
    let mut renamed = signers.jwks();
    renamed["keys"][0] = with(renamed["keys"][3].clone(), &json!({"kid": "rsa"}));
    issuer.put(Keys::parse(renamed.to_string().as_bytes()).unwrap());
    assert_eq!(name_of(&identify(&issuer, &by_rsa)), "token-algorithm");
}

#[test]
fn without_keys_nobody_can_say() {
    let signers = Signers::new();
    let token = signers.token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims());
    assert_eq!(name_of(&identify(&issuer(settings()), &token)), "credential-unverifiable");
}
