//! The command line of the control plane's API, against a real control plane.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{ControlPlane, oakgate, repository};

const STRICT: &str = "\
format: 1
org: acme
rules:
  - {id: no-drop, tool: drop_table, permission: disabled, reason: never}
";

const LOOSER: &str = "\
format: 1
org: acme
rules:
  - {id: no-drop, tool: drop_table, permission: allowed}
";

/// The organisation with the strict policy in force.
fn with_policy() -> ControlPlane {
    let plane = ControlPlane::start();
    let strict = plane.file("strict.yaml", STRICT);
    plane.done(&["policy", "push", &strict, "--yes", "--reason", "the first"]);
    plane
}

fn in_force(plane: &ControlPlane) -> String {
    plane.done(&["policy", "pull"])
}

fn revisions(plane: &ControlPlane) -> Vec<Value> {
    let lines = plane.done(&["policy", "revisions", "--json"]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_policy_goes_there_and_back() {
    let plane = ControlPlane::start();
    let (status, _, errors) = plane.run(&["policy", "pull"]);
    assert_eq!(status, 2, "{errors}");
    assert!(errors.contains("no policy is in force yet"), "{errors}");
    let strict = plane.file("strict.yaml", STRICT);
    assert_eq!(plane.run(&["policy", "push", &strict]).0, 1, "the first policy needs a yes");
    let output = plane.done(&["policy", "push", &strict, "--yes", "--reason", "the first"]);
    assert!(output.ends_with("revision 1 is in force\n"), "{output}");
    let looser = plane.file("looser.yaml", LOOSER);
    let output = plane.done(&["policy", "push", &looser, "--yes"]);
    assert!(output.starts_with("looser\n") && output.contains("drop_table"), "{output}");
    assert!(output.contains("kinds of calls: 1 looser, 0 stricter, 0 may change\n"), "{output}");
    let pulled = plane.path("pulled.yaml");
    let pulled = pulled.to_str().unwrap();
    plane.done(&["policy", "pull", "--to", pulled]);
    let (status, output, errors) = oakgate(&["policy", "diff", &looser, pulled], "");
    assert_eq!((status, output.as_str()), (0, "no difference\n"), "{errors}");
    let output = plane.done(&["policy", "push", pulled]);
    assert!(output.ends_with("revision 2 is in force already\n"), "{output}");
    assert!(plane.done(&["policy", "pull", "--revision", "1"]).contains("disabled"));
    // Back again: nothing gets looser, so nobody is asked.
    let output = plane.done(&["policy", "rollback", "1", "--reason", "too much\u{202e}"]);
    assert!(output.starts_with("stricter\n") && output.ends_with("revision 3 is in force\n"), "{output}");
    assert!(in_force(&plane).contains("disabled"));
    let revisions = revisions(&plane);
    let numbers: Vec<_> = revisions.iter().map(|revision| revision["revision"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(revisions[2]["reason"], "the first");
    assert_eq!(revisions[0]["reason"], "too much\u{202e}");
    let table = plane.done(&["policy", "revisions"]);
    assert!(!table.contains('\u{202e}') && table.contains(r"too much\u{202e}"), "{table}");
    assert_eq!(plane.run(&["policy", "rollback", "99", "--yes"]).0, 2, "no such revision");
}

#[test]
fn what_loosens_needs_a_yes() {
    let plane = with_policy();
    let looser = plane.file("looser.yaml", LOOSER);
    for (arguments, expected) in [
        (&["policy", "push", &looser][..], 1),
        (&["policy", "push", &looser, "--dry-run"], 1),
        (&["policy", "push", &looser, "--dry-run", "--yes"], 0),
    ] {
        let (status, output, errors) = plane.run(arguments);
        assert_eq!(status, expected, "{arguments:?}: {output}{errors}");
        assert!(output.contains("drop_table"), "what changes is shown: {output}");
        assert_eq!(revisions(&plane).len(), 1, "{arguments:?} changes nothing");
    }
    for (answer, expected, count) in [("no", 1, 1), ("y", 1, 1), ("yes", 0, 2)] {
        let mut terminal = plane.in_terminal(100, &["policy", "push", &looser]);
        terminal.wait_for("Type yes: ");
        terminal.type_line(answer);
        let (status, screen) = terminal.end();
        assert_eq!(status, expected, "{answer}: {screen}");
        assert_eq!(revisions(&plane).len(), count, "{answer}: {screen}");
    }
    assert!(in_force(&plane).contains("allowed"));
    let bad = plane.file("bad.yaml", "{format: 1, org: acme, rules: [{id: a, permission: no}]}");
    let (status, _, errors) = plane.run(&["policy", "push", &bad, "--yes"]);
    assert_eq!(status, 2);
    assert!(errors.contains("rule `a`"), "{errors}");
}

#[test]
fn a_change_by_somebody_else_meanwhile_is_told() {
    let plane = with_policy();
    let looser = plane.file("looser.yaml", LOOSER);
    let other = plane.file("other.yaml", &STRICT.replace("drop_table", "drop_database"));
    let mut terminal = plane.in_terminal(100, &["policy", "push", &looser]);
    terminal.wait_for("Type yes: ");
    plane.done(&["policy", "push", &other, "--yes"]);
    terminal.type_line("yes");
    let (status, screen) = terminal.end();
    assert_eq!(status, 2, "{screen}");
    assert!(screen.contains("changed meanwhile, and nothing was done"), "{screen}");
    assert!(in_force(&plane).contains("drop_database"));
}

#[test]
fn keys_and_agents_are_made_shown_once_and_ended() {
    let plane = ControlPlane::start();
    let made = [
        (&["keys", "create", "billing", "--tier", "standard", "--tenant", "north"][..], "oak_live_"),
        (&["keys", "create", "deploy", "--tier", "management"], "oak_mgmt_"),
        (
            &[
                "agents",
                "create",
                "bot",
                "--description",
                "a\u{1b}]0;x\u{7}\u{202e}b",
                "--expires-at",
                "2099-01-01T00:00:00Z",
            ],
            "oak_agent_",
        ),
    ];
    for (arguments, prefix) in made {
        let key = plane.done(arguments);
        assert!(key.starts_with(prefix) && key.lines().count() == 1, "the key alone: {key}");
        assert_eq!(plane.run(arguments).0, 2, "an id is used once");
    }
    let table = plane.done(&["agents", "list"]);
    assert!(table.lines().next().unwrap().starts_with("ID "), "{table}");
    assert!(table.contains(r"a\u{1b}]0;x\u{7}\u{202e}b"), "{table}");
    // The other management key works, until it is rotated without overlap; then its new one does.
    let deploy = plane.file("deploy", &plane.done(&["keys", "rotate", "deploy"]));
    let as_deploy =
        |file: &str| oakgate(&["keys", "list", "--json", "--url", &plane.url, "--key-file", file], "");
    let (status, output, errors) = as_deploy(&deploy);
    assert_eq!(status, 0, "{errors}");
    let ids: Vec<Value> =
        output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert!(ids.contains(&"billing".into()) && ids.contains(&"deploy".into()), "{output}");
    assert!(!output.contains("oak_live_") || !output.contains("sha256"), "{output}");
    let newer = plane.file("newer", &plane.done(&["keys", "rotate", "deploy", "--overlap-seconds", "0"]));
    assert_eq!(as_deploy(&deploy).0, 2);
    assert_eq!(as_deploy(&newer).0, 0);
    plane.done(&["keys", "revoke", "deploy"]);
    let (status, _, errors) = as_deploy(&newer);
    assert_eq!(status, 2);
    assert!(errors.starts_with("refused (401 unauthenticated): "), "{errors}");
    let shown: Value = serde_json::from_str(&plane.done(&["keys", "show", "deploy", "--json"])).unwrap();
    assert_eq!(shown["state"], "revoked");
}

#[test]
fn a_call_is_asked_about_and_the_activity_tells_of_it_as_it_happens() {
    let plane = with_policy();
    let agent = plane.file("agent", &plane.done(&["agents", "create", "bot"]));
    let mut following = plane.in_terminal(200, &["activity", "--follow", "--action", "permission.check"]);
    following.wait_for("PERMISSION");
    for (tool, status) in [("drop_table", 1), ("read_note", 1)] {
        let check = ["permissions", "check", tool, "--backend", "notes", "--args", "{\"a\":1}"];
        let credential = ["--url", &plane.url, "--key-file", &agent];
        let (ended, receipt, errors) = oakgate(&[&check[..], &credential].concat(), "");
        assert_eq!(ended, status, "{errors}");
        let says = if tool == "drop_table" {
            "disabled, by org/tool, rule no-drop: never"
        } else {
            "requires_approval"
        };
        assert!(errors.contains(says), "{errors}");
        let keys = plane.path("receipts.jwks");
        let verify = [
            "receipt",
            "verify",
            "--keys",
            keys.to_str().unwrap(),
            "--audience",
            "notes",
            "--use",
            "verdict",
        ];
        assert_eq!(oakgate(&verify, &receipt).0, 0, "{receipt}");
        following.wait_for(tool);
    }
    let lines = plane.done(&["activity", "--json", "--actor", "bot"]);
    let asked: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(asked.len(), 2, "{lines}");
    assert_eq!((&asked[1]["object"], &asked[1]["permission"]), (&"drop_table".into(), &"disabled".into()));
    assert!(plane.done(&["activity", "--action", "agent.*"]).contains("agent.create"));

    // A push says what it would have done to them.
    let looser = plane.file("looser.yaml", LOOSER);
    let (_, output, errors) = plane.run(&["policy", "push", &looser, "--dry-run"]);
    let expected = "last 2 recorded calls: 1 looser, 0 stricter, 0 not decidable\n  tool `drop_table`: disabled (org/tool, \
                    rule `no-drop`) -> allowed (org/tool, rule `no-drop`), 1 of the last 2\n";
    assert!(output.ends_with(expected), "{output}{errors}");
}

#[test]
fn tables_are_no_wider_than_the_terminal() {
    let plane = ControlPlane::start();
    let long = "a description that goes on and on ".repeat(6);
    for (name, mark) in [("north", ""), ("south/../x y", ""), ("east", "\u{202e}")] {
        plane.done(&["tenants", "put", name, "--description", &format!("{mark}{long}")]);
    }
    let piped = plane.done(&["tenants", "list"]);
    assert_eq!(piped.lines().count(), 4, "a row is a line: {piped}");
    assert!(piped.contains(long.trim()) && piped.contains(r"\u{202e}a description"), "{piped}");
    assert!(!piped.contains('\u{1b}'), "no colours: {piped}");
    for columns in [60, 100] {
        let (status, screen) = plane.in_terminal(columns, &["tenants", "list"]).end();
        assert_eq!(status, 0, "{screen}");
        assert!(screen.lines().count() > 4 && screen.contains("north"), "{screen}");
        let longest = screen.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= usize::from(columns), "{longest}: {screen}");
    }
    let lines = plane.done(&["tenants", "list", "--json", "--limit", "2"]);
    let items: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(items.len(), 2);
    let shown: Value =
        serde_json::from_str(&plane.done(&["tenants", "show", "south/../x y", "--json"])).unwrap();
    assert_eq!(shown["name"], "south/../x y");
    plane.done(&["tenants", "remove", "south/../x y"]);
    assert_eq!(plane.run(&["tenants", "show", "south/../x y"]).0, 2);
}

#[test]
fn a_write_whose_connection_breaks_is_sent_once_more_and_is_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let requests = [false, true].map(|answers| {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head: Vec<String> = Vec::new();
            while head.last().is_none_or(|line| line != "\r\n") {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                head.push(line.to_lowercase());
            }
            let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            if answers {
                let answer = b"HTTP/1.1 200 OK\r\nIdempotency-Replayed: true\r\nContent-Length: 12\r\n\r\n{\"id\":\"bot\"}";
                reader.get_mut().write_all(answer).unwrap();
            }
            (head.into_iter().find(|line| line.starts_with("idempotency-key: ")).unwrap(), body)
        });
        assert_eq!(requests[0], requests[1]);
    });
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "oak_mgmt_x\n").unwrap();
    let arguments = ["agents", "create", "bot", "--url", &url, "--key-file", key.to_str().unwrap()];
    let (status, output, errors) = oakgate(&arguments, "");
    server.join().unwrap();
    assert_eq!((status, output.as_str()), (70, ""), "{errors}");
    assert!(errors.contains("trying once more") && errors.contains("oakgate agents rotate"), "{errors}");
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, bad) = (file("good", "oak_mgmt_x\n"), file("bad", "two words"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}");
    for (arguments, status, says) in [
        (["rules", "list", "--key-file", "/nowhere/key"], 2, "OAKGATE_KEY_FILE"),
        (["rules", "list", "--key-file", &bad], 2, "must hold one key"),
        (["rules", "list", "--key-file", &good], 70, "--url"),
        (["rules", "list", "--session-file", "/nowhere/session"], 2, "--session-file"),
    ] {
        let (ended, output, errors) = oakgate(&[&arguments[..], &["--url", &nobody]].concat(), "");
        assert_eq!((ended, output.as_str()), (status, ""), "{arguments:?}: {errors}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
}

#[test]
fn every_command_has_examples_and_is_described() {
    let page = std::fs::read_to_string(repository().join("docs/command-line.md")).unwrap();
    let (_, help, _) = oakgate(&["--help"], "");
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`oakgate {name}")), "docs/command-line.md lacks `oakgate {name}`");
        let (status, help, _) = oakgate(&[name, "--help"], "");
        assert_eq!(status, 0);
        assert!(help.contains(&format!("\n  oakgate {name} ")), "`oakgate {name}` has no examples: {help}");
    }
}

#[test]
fn completion_scripts_are_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, script, errors) = oakgate(&["completion", shell], "");
        assert_eq!(status, 0, "{errors}");
        assert!(script.contains("rollback") && script.contains("rotate"), "{shell}: {script}");
        if shell == "bash" {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("script");
            std::fs::write(&file, script).unwrap();
            let complete = "source \"$0\"; COMP_WORDS=(oakgate policy ro); COMP_CWORD=2; _oakgate oakgate ro policy; echo \"${COMPREPLY[@]}\"";
            let checked = std::process::Command::new("bash").arg("-n").arg(&file).output().unwrap();
            assert!(checked.status.success(), "{checked:?}");
            let output =
                std::process::Command::new("bash").args(["-c", complete]).arg(&file).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "rollback");
        }
    }
}
