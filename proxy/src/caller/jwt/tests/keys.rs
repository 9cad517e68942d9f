use super::*;

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
