//! `receipt`: the stamp on a forwarded call, which is the digest of its body and the signature over the claims.

use std::hint::black_box;

use benches::CALL;
use criterion::{Criterion, criterion_group, criterion_main};
use receipt::{Claims, KeyId, KeySet, Nonce, Signer, Use, Verdict, body_sha256};

const ENTROPY: [u8; 32] = [7; 32];

criterion_group!(benches, receipts);
criterion_main!(benches);

fn receipts(criterion: &mut Criterion) {
    let id: KeyId = "receipts-1".parse().expect("the id is good");
    let mut group = criterion.benchmark_group("receipt");
    for (name, key_file) in [
        ("HS256", KeySet::generate_hs256(&id, &ENTROPY)),
        ("Ed25519", KeySet::generate_ed25519(&id, &ENTROPY)),
    ] {
        let keys = KeySet::from_jwks(key_file.as_bytes()).expect("the keys are good");
        let signer = keys.signer().expect("the set signs");
        group.bench_function(format!("stamp, {name}, 760 bytes"), |bencher| {
            bencher.iter(|| stamp(signer, black_box(CALL)));
        });
    }
    group.bench_function("digest, 760 bytes", |bencher| bencher.iter(|| body_sha256(black_box(CALL))));
    group.finish();
}

fn stamp(signer: &Signer, body: &[u8]) -> String {
    let claims = Claims {
        use_: Use::Stamp,
        iss: "gate-1".into(),
        aud: "tools".into(),
        sub: "agent-1".into(),
        org: Some("acme".into()),
        tenant: Some("team-0".into()),
        resource: Some("space-0".into()),
        tool: Some("tool-0".into()),
        method: Some("write".into()),
        verdict: Verdict::Allowed,
        level: Some("org/any".into()),
        rule: Some("rule-last".into()),
        policy: 1,
        observed: false,
        approval: None,
        body_sha256: Some(body_sha256(body)),
        args_sha256: None,
        iat: 1_767_225_600,
        exp: 1_767_225_900,
        jti: Nonce([1; 16]),
    };
    signer.sign(&claims).expect("the claims are short")
}
