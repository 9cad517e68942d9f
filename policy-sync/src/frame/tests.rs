use policy::UnixMillis;
use policy::approval::Reference;

use super::*;
use crate::HoldId;

#[test]
fn every_message_of_approvals_is_known_by_its_type() {
    let (hold, reference) = (HoldId(1), Reference::from_entropy(1));
    let messages = [
        ProxyMessage::ApprovalConsume { hold, reference: reference.clone() },
        ProxyMessage::ApprovalDetach { hold },
        ProxyMessage::ApprovalWithdraw { hold },
    ];
    for message in messages {
        let text = ProxyFrame::Message(message).to_text();
        assert!(matches!(ProxyFrame::parse(&text), Ok(ProxyFrame::Message(_))), "{text}");
    }
    let expires_at_unix_ms = UnixMillis(1);
    let text = ControlFrame::Message(ControlMessage::ApprovalCreated { hold, reference, expires_at_unix_ms })
        .to_text();
    assert!(matches!(ControlFrame::parse(&text), Ok(ControlFrame::Message(_))), "{text}");
}

#[test]
fn messages_of_a_newer_peer_are_ignored_and_nonsense_is_not() {
    for text in [r#"{"type":"novelty","of":[1]}"#, r#"{"of":1,"type":"ap\u0070roval"}"#] {
        assert!(matches!(ProxyFrame::parse(text), Ok(ProxyFrame::Unknown)), "{text}");
        assert!(matches!(ControlFrame::parse(text), Ok(ControlFrame::Unknown)), "{text}");
    }
    let long = format!(r#"{{"type":"novelty","of":"{}"}}"#, "x".repeat(FRAME_BYTES_MAX));
    for text in
        ["", "[]", "1", "{}", r#"{"type":1}"#, r#"{"type":"ack"}"#, r#"{"type":"chunk"}"#, long.as_str()]
    {
        let both_refuse = ProxyFrame::parse(text).is_err() || ControlFrame::parse(text).is_err();
        assert!(both_refuse, "{text:.40}");
    }
}

#[test]
fn messages_read_back() {
    let version = Version { revision: 3, sha256: crate::TextSha256::of("x") };
    let held = Current { policy: Some(version), ..Current::default() };
    let hello = Hello { version: "0.1.0".to_owned(), boot: 7, held };
    let text = ProxyFrame::Hello(hello.clone()).to_text();
    assert!(matches!(ProxyFrame::parse(&text), Ok(ProxyFrame::Hello(again)) if again == hello), "{text}");
    for why in [RefusedWhy::NotNewer, RefusedWhy::Mistakes("rules[1]".to_owned())] {
        let ack = Ack { subject: Subject::Keys, revision: 4, outcome: AckOutcome::Refused(why) };
        let text = ProxyFrame::Ack(ack.clone()).to_text();
        assert!(matches!(ProxyFrame::parse(&text), Ok(ProxyFrame::Ack(again)) if again == ack), "{text}");
    }
}
