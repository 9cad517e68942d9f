mod keys;
mod signers;

use config::{AgentWhen, Algorithm};
use policy::CallerKind;
use serde_json::{Value, json};

use super::*;
use signers::{Signers, decode, encode};

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

fn issuer(settings: Jwt) -> Issuer {
    let (loads, metrics) = (Arc::default(), Arc::new(Metrics::new().unwrap()));
    Issuer::new(settings, "agents", &Limits::default(), &loads, &metrics)
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
        // Where a token says that its keys are is not looked at: neither for it nor against it.
        ("RS256", json!({"alg": "RS256", "kid": "x", "jku": "http://127.0.0.1:1/jwks"}), "token-key"),
        ("RS256", json!({"alg": "RS256", "kid": "rsa", "x5u": "http://127.0.0.1:1/", "x5c": ["AA=="]}), ANN),
    ] {
        let token = signers.token_of_text(how, &header.to_string(), &claims().to_string());
        assert_eq!(name_of(&identify(&issuer, &token)), expected, "{how} {header}");
    }
    // An attacker's own key, brought along.
    let attacker = Signers::new();
    let own = attacker.jwks()["keys"][1].clone();
    let forged = attacker.token(&json!({"alg": "ES256", "kid": "p256", "jwk": own}), &claims());
    assert_eq!(name_of(&identify(&issuer, &forged)), "token-signature");
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
