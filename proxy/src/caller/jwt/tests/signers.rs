use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding,
};
use serde_json::{Value, json};

use super::super::*;
use super::issuer;

/// Keys that sign, and the set that says so.
pub(super) struct Signers {
    rsa: RsaKeyPair,
    p256: Vec<u8>,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    pub(super) fixture: Value,
}

impl Signers {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let fixture: Value = serde_json::from_str(include_str!("rsa.json")).unwrap();
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

    pub(super) fn p256(&self, kind: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(kind, &self.p256, &SystemRandom::new()).unwrap()
    }

    pub(super) fn rsa_jwk(&self, id: &str) -> Value {
        let key = &self.fixture["key"];
        json!({"kty": "RSA", "kid": id, "n": key["n"], "e": key["e"]})
    }

    pub(super) fn jwks(&self) -> Value {
        let (p256, p384) = (self.p256(&ECDSA_P256_SHA256_FIXED_SIGNING), &self.p384);
        json!({"keys": [
            self.rsa_jwk("rsa"),
            point("P-256", "p256", p256.public_key().as_ref()),
            point("P-384", "p384", p384.public_key().as_ref()),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(self.ed25519.public_key().as_ref())},
        ]})
    }

    /// A signature in the way of an algorithm's name; `DER` and `RSA-n` are the ways of attackers.
    pub(super) fn sign(&self, how: &str, text: &[u8]) -> Vec<u8> {
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

    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of_text(header["alg"].as_str().unwrap(), &header.to_string(), &claims.to_string())
    }

    pub(super) fn token_of_text(&self, how: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.sign(how, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    pub(super) fn issuer(&self, settings: Jwt) -> Issuer {
        let issuer = issuer(settings);
        issuer.put(Keys::parse(self.jwks().to_string().as_bytes()).unwrap());
        issuer
    }
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn point(curve: &str, id: &str, key: &[u8]) -> Value {
    let (x, y) = key[1..].split_at((key.len() - 1) / 2);
    json!({"kty": "EC", "crv": curve, "kid": id, "x": encode(x), "y": encode(y)})
}
