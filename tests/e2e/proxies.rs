//! `oakgate proxies`, against a real control plane.

use serde_json::Value;

use crate::harness::ControlPlane;

fn shown(plane: &ControlPlane, name: &str) -> Value {
    serde_json::from_str(&plane.done(&["proxies", "show", name, "--json"])).unwrap()
}

#[test]
fn proxies_are_made_listed_and_ended() {
    let plane = ControlPlane::start();
    assert_eq!(plane.done(&["proxies", "list"]), "no proxies\n");
    let line = plane.done(&["proxies", "add", "gate-1", "--description", "in the north"]);
    let (variable, command) = line.split_once('=').unwrap();
    assert_eq!((variable, command.split_once(' ').unwrap().1), ("OAKGATE_JOIN", "oakgate proxy\n"));
    assert!(!line.contains("oak_proxy_"), "{line}");

    let table = plane.done(&["proxies", "list"]);
    let header = table.lines().next().unwrap();
    for column in
        ["ID", "STATE", "LINK", "POLICY REVISION", "AGE SECONDS", "VERSION", "LAST REFUSAL", "DESCRIPTION"]
    {
        assert!(header.contains(column), "{column} is missing in {header}");
    }
    assert!(table.contains("in the north") && table.contains("never"), "{table}");
    let made = shown(&plane, "gate-1");
    assert_eq!(
        (&made["tier"], &made["state"], &made["link"]),
        (&"proxy".into(), &"good".into(), &"never".into())
    );
    let next = plane.done(&["proxies", "rotate", "gate-1", "--overlap-seconds", "0"]);
    assert!(next.starts_with("OAKGATE_JOIN=") && next != line, "{next}");
    assert_ne!(shown(&plane, "gate-1")["secrets"], made["secrets"]);

    assert_eq!(plane.done(&["proxies", "revoke", "gate-1"]), "gate-1 is revoked\n");
    assert_eq!(shown(&plane, "gate-1")["state"], "revoked");
    let (status, _, errors) = plane.run(&["proxies", "add", "gate-1"]);
    assert_eq!(status, 2, "a name is used once");
    assert!(errors.contains("id_taken"), "{errors}");
    assert!(plane.done(&["activity", "--action", "proxy.*"]).contains("proxy.revoke"));
}

#[test]
fn what_is_wrong_with_a_line_is_told_before_a_token_is_made() {
    let plane = ControlPlane::start();
    let taken = plane.file("taken", "mine");
    let missing = plane.path("no/such/folder");
    for (arguments, says) in [
        (["--link-url", "ws://control.example.com/v1/sync"], "must be `wss://HOST/v1/sync`"),
        (["--link-url", "https://control.example.com"], "name it with --link-url"),
        (["--to", &taken], "can't be made"),
        (["--to", missing.to_str().unwrap()], "can't be made"),
    ] {
        let (status, _, errors) = plane.run(&[&["proxies", "add", "gate-1"], &arguments[..]].concat());
        assert_eq!(status, 2, "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
    assert_eq!(std::fs::read_to_string(taken).unwrap(), "mine");
    assert_eq!(plane.done(&["proxies", "list"]), "no proxies\n");
    let new = plane.path("gate-1.join");
    let (status, _, errors) = plane.run(&["proxies", "add", "gate 1", "--to", new.to_str().unwrap()]);
    assert_eq!(status, 2, "{errors}");
    assert!(!new.exists(), "a file that is not written stays");
}
