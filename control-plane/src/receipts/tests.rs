//! Signing, and keys that are exchanged meanwhile.

use policy::Level;
use receipt::{Expected, Refusal, args_sha256, verify};

use super::*;

const NOW: UnixMillis = UnixMillis(1_767_225_600_999);

fn jwks(kid: &str, entropy: u8) -> String {
    KeySet::generate_hs256(&kid.parse().unwrap(), &[entropy; 32]).to_string()
}

fn sign(receipts: &Receipts) -> Signed {
    let verdict = Verdict {
        permission: Permission::Allowed,
        level: Level::FailSafe,
        rule: None,
        clamped: false,
        definition_changed: false,
        faults: Vec::new(),
        revision: 3,
        reason: None,
    };
    let statement = Statement {
        use_: Use::Grant,
        audience: "files",
        caller: "agent-7",
        coordinates: Coordinates { org: Some("acme"), tool: Some("read"), ..Coordinates::default() },
        verdict: &verdict,
        approval: None,
        args_sha256: args_sha256("{}").unwrap(),
    };
    receipts.sign(&statement, NOW).unwrap()
}

#[test]
fn a_receipt_says_who_decided_and_lasts_as_long_as_it_may() {
    let receipts = Receipts::new("hq", 60, jwks("k1", 1).as_bytes()).unwrap();
    let signed = sign(&receipts);
    let coordinates = Coordinates { org: Some("acme"), tool: Some("read"), ..Coordinates::default() };
    let expected = Expected::grant("files", "agent-7", coordinates, " { } ");
    let claims = verify(&receipts.keys(), &signed.token, &expected, NOW.seconds() + 59).unwrap();
    assert_eq!((claims.iss.as_ref(), claims.policy, claims.jti), ("hq", 3, signed.jti));
    assert_eq!(signed.expires_at_seconds, NOW.seconds() + 60);
    let late = verify(&receipts.keys(), &signed.token, &expected, signed.expires_at_seconds);
    assert_eq!(late, Err(Refusal::Expired));
    assert_ne!(sign(&receipts).jti, signed.jti);
}

#[test]
fn new_keys_take_over_and_bad_ones_do_not() {
    let receipts = Receipts::new("hq", 60, jwks("k1", 1).as_bytes()).unwrap();
    let other = receipts.clone();
    receipts.replace_keys(jwks("k2", 2).as_bytes()).unwrap();
    let signed = sign(&other);
    let public = KeySet::generate_ed25519(&"k3".parse().unwrap(), &[3; 32]);
    let public = KeySet::from_jwks(public.as_bytes()).unwrap().public_jwks();
    for bad in ["", r#"{"keys":[]}"#, public.as_str()] {
        receipts.replace_keys(bad.as_bytes()).unwrap_err();
        verify(&other.keys(), &signed.token, &Expected::default(), NOW.seconds()).unwrap();
        Receipts::new("hq", 60, bad.as_bytes()).unwrap_err();
    }
    let count = |result| receipts.loads().with_label_values(&[result]).get();
    assert_eq!((count("loaded"), count("refused")), (2, 3));
    assert!(!format!("{receipts:?}").contains("AgICAgIC"), "a key is shown");
}
