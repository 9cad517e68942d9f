use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::claims::{Nonce, Use, Verdict};
use crate::digest::{Digest, body_sha256};
use crate::key_set::KeySet;
use crate::verify::{Expected, TOKEN_MAX_BYTES, verify};

/// Made with another implementation (Python's `cryptography`) from the key pair of RFC 8037 appendix A.
const ED25519_TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkMSIsInR5cCI6Im9ha2dhdGUtcmVjZWlwdCtqd3QifQ.eyJ1c2UiOiJncmFudCIsImlzcyI6ImNvbnRyb2wiLCJhdWQiOiJmaWxlcyIsInN1YiI6ImFnZW50LTciLCJvcmciOiJhY21lIiwidGVuYW50IjoiZXUiLCJyZXNvdXJjZSI6Ii9zcnYvw6QiLCJ0b29sIjoid3JpdGVfZmlsZSIsIm1ldGhvZCI6InBvc3QiLCJ2ZXJkaWN0IjoiYWxsb3dlZCIsImxldmVsIjoib3JnL3Rvb2wiLCJydWxlIjoicjEiLCJwb2xpY3kiOjQyLCJhcHByb3ZhbCI6ImFwLTkiLCJhcmdzX3NoYTI1NiI6IktfMFU5RDBYX0h6cUpPQ1Jlb2g1dExMNGdMaTY3c0c1MlEtNnJXVmVjYjAiLCJpYXQiOjE3NjcyMjU2MDAsImV4cCI6NDEwMjQ0NDgwMCwianRpIjoiQUFFQ0F3UUZCZ2NJQ1FvTERBME9EdyJ9.KkR3e2i6RvA9pLQLlqxT5Io9PkMasmBIUblepwWwJQjb9BVvd1fkkfTpNcoLXJ7qJf0QrJuWqC70WavfwsPABw";
const ED25519_JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}"#;
/// The first of the shared vectors, made with another implementation too.
const HS256_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoib2FrZ2F0ZS1yZWNlaXB0K2p3dCJ9.eyJ1c2UiOiJzdGFtcCIsImlzcyI6ImdhdGUtMSIsImF1ZCI6ImZpbGVzIiwic3ViIjoiYWdlbnQtNyIsIm9yZyI6ImFjbWUiLCJyZXNvdXJjZSI6ImZpbGVzIiwidG9vbCI6IndyaXRlX2ZpbGUiLCJ2ZXJkaWN0IjoiYWxsb3dlZCIsImxldmVsIjoib3JnL3Rvb2wiLCJydWxlIjoicjEiLCJwb2xpY3kiOjQyLCJib2R5X3NoYTI1NiI6Ijk5T2JuQm53bmhXNzhZeFo3TTNIbUh2YTNIRE1BTFAzaWhodGFKeS1LbE0iLCJpYXQiOjE3NjcyMjU2MDAsImV4cCI6NDEwMjQ0NDgwMCwianRpIjoiQUFBQUFBQUFBQUFBQUFBQUFBQUFBQSJ9.5Dx4Vb8QgVg4jRyrdzFy6Lo7M_ROYLT11yKHhQNmLOI";
const HS256_JWKS: &str =
    r#"{"keys":[{"kty":"oct","kid":"k1","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;
const NOW_SECONDS: u64 = 1_800_000_000;

#[test]
fn the_same_claims_make_the_same_token_as_elsewhere() {
    for (jwks, token) in [(HS256_JWKS, HS256_TOKEN), (ED25519_JWKS, ED25519_TOKEN)] {
        let keys = KeySet::from_jwks(jwks.as_bytes()).unwrap();
        let claims = verify(&keys, token, &Expected::default(), NOW_SECONDS).unwrap();
        assert_eq!(keys.signer().unwrap().sign(&claims).unwrap(), token);
    }
}

#[test]
fn what_is_signed_is_short_enough_to_be_verified() {
    let longest_id: KeyId = "k".repeat(crate::KEY_ID_MAX_BYTES).parse().unwrap();
    let keys = KeySet::from_jwks(KeySet::generate_ed25519(&longest_id, &[7; 32]).as_bytes()).unwrap();
    let signer = keys.signer().unwrap();
    let mut claims = any_claims("gate", "files", NOW_SECONDS + 300);
    let free_bytes = CLAIMS_MAX_BYTES - serde_json::to_string(&claims).unwrap().len();
    claims.sub = Cow::Owned("a".repeat(free_bytes));
    let mut token = signer.sign(&claims).unwrap();
    assert!(token.len() <= TOKEN_MAX_BYTES);
    assert_eq!(verify(&keys, &token, &Expected::default(), NOW_SECONDS), Ok(claims.clone()));

    claims.sub = Cow::Owned("a".repeat(free_bytes + 1));
    assert_eq!(signer.sign_into(&claims, &mut token), Err(ClaimsTooLong));
    assert_eq!(token, "", "no older token is left to be sent");
}

fn any_claims(iss: &'static str, aud: &'static str, exp: u64) -> Claims<'static> {
    Claims {
        use_: Use::Stamp,
        iss: iss.into(),
        aud: aud.into(),
        sub: "".into(),
        org: None,
        tenant: None,
        resource: None,
        tool: None,
        method: None,
        verdict: Verdict::Allowed,
        level: None,
        rule: None,
        policy: 0,
        observed: false,
        approval: None,
        body_sha256: None,
        args_sha256: None,
        iat: 0,
        exp,
        jti: Nonce([0; 16]),
    }
}

type Texts = [Option<Cow<'static, str>>; 8];

fn texts() -> impl Strategy<Value = Texts> {
    std::array::from_fn::<_, 8, _>(|_| prop::option::of(".{0,40}".prop_map(Cow::Owned)))
}

fn digest() -> impl Strategy<Value = Option<Digest>> {
    prop::option::of(any::<[u8; 32]>().prop_map(|bytes| body_sha256(&bytes)))
}

prop_compose! {
    fn claims()(
        [org, tenant, resource, tool, method, level, rule, approval] in texts(),
        [iss, aud, sub] in [".{0,40}", ".{0,40}", ".{0,40}"].map(|text| text.prop_map(Cow::Owned)),
        use_ in prop::sample::select(vec![Use::Stamp, Use::Grant, Use::Verdict]),
        verdict in prop::sample::select(vec![Verdict::Allowed, Verdict::RequiresApproval, Verdict::Disabled]),
        (body_sha256, args_sha256) in (digest(), digest()),
        (observed, policy, iat, exp, jti) in (any::<bool>(), any::<u64>(), any::<u64>(), NOW_SECONDS + 1.., any::<[u8; 16]>()),
    ) -> Claims<'static> {
        let jti = Nonce(jti);
        Claims {
            use_, iss, aud, sub, org, tenant, resource, tool, method, verdict, level, rule, policy, observed, approval,
            body_sha256, args_sha256, iat, exp, jti,
        }
    }
}

proptest! {
    #[test]
    fn any_claims_come_back_as_signed(claims in claims(), now_seconds in ..=NOW_SECONDS) {
        for jwks in [HS256_JWKS, ED25519_JWKS] {
            let keys = KeySet::from_jwks(jwks.as_bytes()).unwrap();
            let token = keys.signer().unwrap().sign(&claims).unwrap();
            let verified = verify(&keys, &token, &Expected::default(), now_seconds);
            prop_assert_eq!(verified.as_ref(), Ok(&claims));
        }
    }
}
