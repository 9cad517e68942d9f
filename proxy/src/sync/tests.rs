//! A whole proxy and a small control plane, over real connections.

mod control;
mod gate;

use std::fs::File;
use std::time::{Duration, SystemTime};

use config::Environment;
use policy_sync::{AckOutcome, Chunk, ControlFrame, Document, PolicyKey, RefusedWhy, SnapshotStart, Subject};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use control::{Control, Manner, TOKEN, document, key};
use gate::{Folder, Gate, KEY, KEYS, eventually, policy, receipt_keys};

/// A control plane with all that a proxy needs, and a proxy that has taken it.
async fn following() -> (Control, Gate) {
    let mut control = Control::start().await;
    control.publish(document(Subject::Keys, 4, KEYS));
    control.publish(document(Subject::ReceiptKeys, 3, &receipt_keys()));
    control.publish(document(Subject::Policy, 1, &policy("")));
    let gate = Gate::start(Folder::of(&control), "").await;
    for _ in Subject::ALL {
        let ack = control.ack().await;
        assert_eq!(ack.outcome, AckOutcome::InForce, "{ack:?}");
    }
    (control, gate)
}

#[tokio::test]
async fn what_is_signed_is_taken_and_what_is_not_changes_nothing() {
    let (mut control, gate) = following().await;
    assert_eq!(gate.ready().await, 200);
    assert_ne!(gate.call(KEY).await, 401);
    assert_eq!(gate.call("oak_live_1123456789abcdefghijklmnopqrstuvwxyzABCDEFG").await, 401);
    let hello = control.hello().await;
    assert!(hello.held.policy.is_none() && hello.boot != 0);

    // A small change comes as one.
    assert_eq!(control.sent("{\"type\":\"delta\""), 0);
    control.publish(document(Subject::Policy, 2, &policy(", {name: more}")));
    assert_eq!(control.ack().await.outcome, AckOutcome::InForce);
    assert_eq!(control.sent("{\"type\":\"delta\""), 1);
    assert_eq!(gate.policy().await["revision"], 2);
    assert_eq!(gate.policy().await["source"], "control plane");

    let stranger = PolicyKey::generate(&[9; 32]);
    let other_org = Document::sign(&key(), (Subject::Policy, "other"), (5, 1), "{format: 1, org: other}");
    let two_orgs = Document::sign(&key(), (Subject::Policy, "acme"), (6, 1), "{format: 1, org: other}");
    let unsigned = Document::sign(&stranger, (Subject::Policy, "acme"), (4, 1), policy(""));
    let no_signer = "{\"keys\":[]}";
    for (refused, expected) in [
        (unsigned, "Signature"),
        (other_org, "OtherOrg"),
        (two_orgs, "Mistakes(\"it says that it is of `other`"),
        (document(Subject::Policy, 7, "{format: 1, org: acme, tols: []}"), "Mistakes(\""),
        (document(Subject::Keys, 5, "[{\"id\": \"${HOME}\"}]"), "Mistakes(\""),
        (document(Subject::ReceiptKeys, 5, no_signer), "Mistakes(\"the key set holds no key"),
    ] {
        control.publish(refused);
        let AckOutcome::Refused(why) = control.ack().await.outcome else { panic!("{expected}") };
        assert!(format!("{why:?}").starts_with(expected), "{why:?}, not {expected}");
    }
    let older = document(Subject::Policy, 1, &policy("")).signed_header().clone();
    control.send_raw(ControlFrame::Snapshot(SnapshotStart { signed: older, chunks: 1 }).to_text());
    control.send_raw(ControlFrame::Chunk(Chunk { number: 0, data: String::new() }).to_text());
    assert_eq!(control.ack().await.outcome, AckOutcome::Refused(RefusedWhy::NotNewer));
    assert_eq!(gate.policy().await["revision"], 2);
    assert_eq!(gate.ready().await, 200);

    let metrics = gate.metrics().await;
    for line in [
        "oakgate_link_up 1",
        "oakgate_link_dials_total{result=\"linked\"} 1",
        "oakgate_documents_total{outcome=\"in_force\",subject=\"policy\"} 2",
        "oakgate_documents_total{outcome=\"signature\",subject=\"policy\"} 1",
        "oakgate_documents_total{outcome=\"not_newer\",subject=\"policy\"} 1",
        "oakgate_documents_total{outcome=\"mistakes\",subject=\"receipt_keys\"} 1",
        "oakgate_document_revision{subject=\"policy\"} 2",
        "oakgate_document_revision{subject=\"keys\"} 4",
        "oakgate_document_in_force_seconds_count 4",
        "oakgate_last_known_good_failures_total 0",
        "oakgate_keys 1",
    ] {
        assert!(metrics.contains(&format!("{line}\n")), "{line}\n{metrics}");
    }

    // Somebody takes the only key away: from then on it is refused.
    control.publish(document(Subject::Keys, 6, "[]"));
    assert_eq!(control.ack().await.outcome, AckOutcome::InForce);
    assert_eq!(gate.call(KEY).await, 401);
    gate.stop().await;
}

#[tokio::test]
async fn a_proxy_begins_with_what_was_last_known_to_be_good() {
    let (control, gate) = following().await;
    drop(control);
    let folder = gate.stop().await;
    let signed = |name: &str| folder.path(&format!("state/{name}.signed"));
    let touch = |at: SystemTime| {
        File::options().write(true).open(signed("policy")).unwrap().set_modified(at).unwrap();
    };
    touch(SystemTime::now() - Duration::from_secs(3600));
    let gate = Gate::start(folder.clone(), "").await;
    assert_eq!((gate.ready().await, gate.policy().await["revision"].clone()), (200, 1.into()));
    assert_eq!(gate.policy().await["source"], "last known good");
    assert!(gate.policy().await["age_ms"].as_u64().unwrap() >= 3_600_000);
    assert_ne!(gate.call(KEY).await, 401);
    eventually(async || {
        let why = gate.policy().await["control_plane"]["why"].as_str().unwrap_or_default().to_owned();
        why.starts_with("the control plane does not answer: it can't be reached")
    })
    .await;
    gate.stop().await;

    touch(SystemTime::now() + Duration::from_secs(3600));
    let gate = Gate::start(folder.clone(), "").await;
    assert!(gate.policy().await["age_ms"].is_null(), "of a time to come nobody knows how long ago it is");
    gate.stop().await;

    let gate = Gate::start(folder.clone(), "org: other").await;
    assert_eq!(gate.ready().await, 503);
    gate.stop().await;

    // A torn one is as good as none, and the next one takes its place.
    let bundle = std::fs::read_to_string(signed("policy")).unwrap();
    std::fs::write(signed("policy"), bundle.split_at(bundle.len() / 2).0).unwrap();
    std::fs::write(folder.path("state/keys.signed.unfinished"), "").unwrap();
    let mut control = Control::start().await;
    let folder = folder.to(&control);
    let gate = Gate::start(folder, "").await;
    assert_eq!(gate.ready().await, 503);
    assert!(!gate.folder().path("state/keys.signed.unfinished").exists());
    let report = gate.policy().await;
    let why = report["control_plane"]["documents"]["policy"]["refused"].as_str().unwrap();
    assert!(why.starts_with("the last known good: not a bundle"), "{why}");
    assert!(
        gate.metrics()
            .await
            .contains("oakgate_last_known_good_loads_total{result=\"refused\",subject=\"policy\"} 1\n")
    );
    let hello = control.hello().await;
    assert!(hello.held.policy.is_none() && hello.held.keys.is_some_and(|held| held.revision == 4));
    control.publish(document(Subject::Policy, 1, &policy("")));
    assert_eq!(control.ack().await.outcome, AckOutcome::InForce);
    assert_eq!(gate.ready().await, 200);
    assert_eq!(std::fs::read_to_string(gate.folder().path("state/policy.signed")).unwrap(), bundle);
    gate.stop().await;
}

#[tokio::test]
async fn no_link_without_a_good_token_and_the_right_protocol() {
    let control = Control::start().await;
    let folder = Folder::of(&control);
    std::fs::write(folder.path("token"), "not-the-one\n").unwrap();
    let gate = Gate::start(folder, "").await;
    gate.down_because("the relay token is refused: it answered 401").await;
    assert!(gate.metrics().await.contains("oakgate_link_dials_total{result=\"token-refused\"}"));
    // It is read again each time.
    std::fs::write(gate.folder().path("token"), format!("{TOKEN}\n")).unwrap();
    gate.up().await;
    control.revoke();
    gate.down_because("the relay token was revoked: code 4003").await;
    std::fs::write(gate.folder().path("token"), "two\nlines\n").unwrap();
    gate.down_because("the control plane does not answer: ").await;
    eventually(async || gate.metrics().await.contains("link_dials_total{result=\"files\"}")).await;
    gate.stop().await;

    for (manner, why, result) in [
        (Manner::Parrot, "the control plane does not answer: it does not say that it speaks", "protocol"),
        (Manner::Unavailable, "the control plane does not answer: it answered 503", "status"),
    ] {
        let control = Control::with(manner, None).await;
        let gate = Gate::start(Folder::of(&control), "").await;
        gate.down_because(why).await;
        assert!(gate.metrics().await.contains(&format!("link_dials_total{{result=\"{result}\"}}")));
        gate.stop().await;
    }
}

#[tokio::test]
async fn a_control_plane_that_says_nothing_is_hung_up_on() {
    let mut control = Control::with(Manner::Silent, None).await;
    let gate = Gate::start(Folder::of(&control), "").await;
    control.hello().await;
    // From here on time passes as fast as nothing else happens.
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    eventually(async || gate.metrics().await.contains("oakgate_link_up 0\n")).await;
    let waited = since.elapsed();
    assert!((9..=15).contains(&waited.as_secs()), "{waited:?}");
    tokio::time::resume();
    gate.stop().await;
}

#[tokio::test]
async fn a_file_of_its_own_wins_and_a_document_has_a_limit() {
    let mut control = Control::start().await;
    let folder = Folder::of(&control);
    std::fs::write(folder.path("policy.yaml"), "{format: 1, org: acme}").unwrap();
    let more = "  policy: {file: policy.yaml}\n  limits: {max_document_bytes: 65536}\n";
    let gate = Gate::start(folder.with(more), "").await;
    control.publish(document(Subject::Policy, 5, &policy("")));
    let AckOutcome::Refused(RefusedWhy::Mistakes(why)) = control.ack().await.outcome else { panic!() };
    assert!(why.contains("name a file"), "{why}");
    control.publish(document(Subject::Keys, 5, KEYS));
    assert_eq!(control.ack().await.outcome, AckOutcome::InForce);
    control.publish(document(Subject::Keys, 6, &format!("[]{:65535}", "")));
    assert_eq!(control.ack().await.outcome, AckOutcome::Refused(RefusedWhy::TooLong));
    let policy = gate.policy().await;
    assert_eq!((&policy["tools"], policy["revision"] == 5), (&0.into(), false));
    assert!(policy["source"].as_str().unwrap().ends_with("/policy.yaml"));
    assert!(!gate.folder().path("state/policy.signed").exists());
    assert!(
        gate.metrics().await.contains("oakgate_documents_total{outcome=\"file\",subject=\"policy\"} 1\n")
    );
    gate.stop().await;
}

#[tokio::test]
async fn what_can_not_be_kept_is_in_force_and_is_kept_later() {
    let (mut control, gate) = following().await;
    let in_the_way = gate.folder().path("state/policy.signed.unfinished");
    std::fs::create_dir(&in_the_way).unwrap();
    let changed = document(Subject::Policy, 2, &policy(", {name: more}"));
    control.publish(changed.clone());
    assert_eq!(control.ack().await.outcome, AckOutcome::InForce);
    assert_eq!(gate.policy().await["revision"], 2);
    assert_eq!(gate.policy().await["control_plane"]["documents"]["policy"]["kept"], false);
    assert!(gate.metrics().await.contains("oakgate_last_known_good_failures_total 1\n"));
    std::fs::remove_dir(&in_the_way).unwrap();
    // The next sign of life says that it is still what the control plane has.
    tokio::time::pause();
    let file = gate.folder().path("state/policy.signed");
    eventually(async || std::fs::read_to_string(&file).unwrap() == changed.to_bundle()).await;
    tokio::time::resume();
    gate.stop().await;
}

#[tokio::test]
async fn over_tls_only_the_control_plane_that_is_meant_is_talked_to() {
    let server = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let chain = vec![CertificateDer::from(server.cert.der().to_vec())];
    let key = PrivateKeyDer::try_from(server.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let control = Control::with(Manner::Right, Some(TlsAcceptor::from(std::sync::Arc::new(tls)))).await;
    let folder = Folder::of(&control).over_tls();
    let stranger = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path("ca.pem"), stranger.cert.pem()).unwrap();
    let gate = Gate::start(folder, "ca_file: ca.pem").await;
    gate.down_because("the control plane does not answer: TLS failed: invalid peer certificate").await;
    std::fs::write(gate.folder().path("ca.pem"), server.cert.pem()).unwrap();
    gate.up().await;
    gate.stop().await;
}

#[tokio::test]
async fn settings_that_can_not_work_are_said_at_the_start() {
    let control = Control::start().await;
    let folder = Folder::of(&control);
    std::fs::write(folder.path("policy-keys"), "# none yet\n").unwrap();
    let settings = |folder: &Folder| folder.settings("", Environment::none());
    let error = crate::start(settings(&folder)).await.unwrap_err().to_string();
    assert!(error.contains("policy-keys: has no key"), "{error}");
    let folder = Folder::of(&control);
    std::fs::write(folder.path("state"), "").unwrap();
    let error = crate::start(settings(&folder)).await.unwrap_err().to_string();
    assert!(error.contains("state: can't be made"), "{error}");
}
