use super::*;

fn key() -> PolicyKey {
    PolicyKey::generate(&[7; 32])
}

fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![PolicyKey::generate(&[8; 32]).public(), key().public()])
}

fn document() -> Document {
    Document::sign(&key(), (Subject::Policy, "acme"), (3, 1_700_000_000_000), "org: acme\n")
}

#[test]
fn a_bundle_reads_back() {
    let document = document();
    let bundle = document.to_bundle();
    assert_eq!(Document::from_bundle(&bundle, &trusted()), Ok(document));
}

#[test]
fn whatever_is_changed_in_a_bundle_is_refused() {
    let bundle = document().to_bundle();
    let other = PolicyKey::generate(&[9; 32]).public();
    let refused = Document::from_bundle(&bundle, &TrustedKeys::new(vec![other]));
    assert_eq!(refused, Err(DocumentError::Signature));
    assert_eq!(Document::from_bundle(&bundle, &TrustedKeys::new(vec![])), Err(DocumentError::Signature));
    let cases = [
        (r#"\"revision\":3"#, r#"\"revision\":4"#, DocumentError::Signature),
        (r"acme\n", r"acmE\n", DocumentError::Text),
        (r"acme\n", r"acme\n\n", DocumentError::Text),
    ];
    for (what, with, error) in cases {
        let changed = bundle.replacen(what, with, 1);
        let changed = if with.starts_with("acm") {
            let (before, after) = bundle.rsplit_once(what).unwrap();
            format!("{before}{with}{after}")
        } else {
            changed
        };
        assert_ne!(changed, bundle, "{what}");
        assert_eq!(Document::from_bundle(&changed, &trusted()), Err(error), "{what}");
    }
    for broken in
        ["", "{}", "[]", &bundle[..bundle.len() - 1], &bundle.replacen("\"format\":1", "\"format\":2", 1)]
    {
        let refused = Document::from_bundle(broken, &trusted());
        assert!(matches!(refused, Err(DocumentError::Bundle(_))), "{broken}: {refused:?}");
    }
}

#[test]
fn a_signed_header_with_a_field_that_is_not_known_is_refused() {
    let header = document().signed_header().header.replacen('{', "{\"since\":1,", 1);
    let signed = SignedHeader { signature: key().sign(&header), header };
    assert!(matches!(signed.verify(&trusted()), Err(DocumentError::Header(_))));
}
