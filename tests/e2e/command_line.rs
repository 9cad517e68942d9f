//! The commands of the control plane's API: every operation has one, and what they print, subject by subject, as sessions of
//! a shell in `command_line/*.session`.

mod operations;

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::path::PathBuf;

use crate::harness::{ControlPlane, oakgate, replay, repository};

fn folder() -> PathBuf {
    repository().join("tests/e2e/command_line")
}

/// Runs a session against a control plane of its own.
fn session(name: &str) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.session"))).unwrap();
    let plane = ControlPlane::start();
    replay(name, &text, |command| plane.shell(&plane.url, command));
}

#[test]
fn rules() {
    session("rules");
}

#[test]
fn categories() {
    session("categories");
}

#[test]
fn policy_tools() {
    session("policy-tools");
}

#[test]
fn policy_settings_and_differences() {
    session("policy");
}

#[test]
fn keys_and_agents() {
    session("keys");
}

#[test]
fn calls_and_their_receipts() {
    session("calls");
}

#[test]
fn approvals_and_activity() {
    session("people");
}

#[test]
fn wrong_use() {
    session("wrong-use");
}

#[test]
fn a_receipt_is_sent_once_even_if_the_connection_breaks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let read = stream.read(&mut [0; 64]).unwrap();
        assert!(read > 0);
        drop(stream);
        listener
    });
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "oak_live_x\n").unwrap();
    let redeem = ["receipt", "redeem", "--backend", "files", "--url", &url, "--key-file"];
    let (status, output, errors) =
        oakgate(&[&redeem[..], &[key.to_str().unwrap()]].concat(), "a.receipt.of-it");
    assert_eq!((status, output.as_str()), (70, ""), "{errors}");
    assert!(errors.contains("nobody knows whether the receipt was redeemed"), "{errors}");
    let listener = server.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "it was sent again");
}

#[test]
fn every_session_is_run() {
    let source = std::fs::read_to_string(repository().join("tests/e2e/command_line.rs")).unwrap();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".session") {
            assert!(source.contains(&format!("session(\"{name}\")")), "{name}");
        }
    }
}

#[test]
fn every_command_is_in_an_example() {
    let (mut seen, mut lacking) = (0, Vec::new());
    let mut groups = vec![Vec::new()];
    while let Some(group) = groups.pop() {
        let help = help(&group);
        let commands: Vec<String> = commands(&help).collect();
        for command in &commands {
            groups.push([&group[..], std::slice::from_ref(command)].concat());
        }
        if commands.is_empty() {
            let example = format!("oakgate {} ", group.join(" "));
            let examples = examples(&help) + &examples(&self::help(&group[..group.len() - 1]));
            lacking.extend((!examples.contains(&example)).then_some(example));
            seen += 1;
        }
    }
    assert!(lacking.is_empty(), "without an example: {lacking:#?}");
    assert!(seen > 70, "{seen}");
}

fn help(command: &[String]) -> String {
    let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    let (status, help, errors) = oakgate(&words, "");
    assert_eq!(status, 0, "{words:?}: {errors}");
    help
}

/// What comes after the usage.
fn examples(help: &str) -> String {
    let lines = help.lines().filter(|line| !line.starts_with("Usage: "));
    lines.flat_map(|line| [line, " \n"]).collect()
}

/// The names under `Commands:`.
fn commands(help: &str) -> impl Iterator<Item = String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with(' ')).filter(|line| !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned)
}

#[test]
fn lists_fit_a_narrow_terminal() {
    let plane = ControlPlane::start();
    let name = "a-name-that-goes-on-".repeat(6);
    let rule =
        plane.file("rule.json", r#"{"tool": "refund", "permission": "allowed", "when": "args.cents < 1"}"#);
    let tool = plane.file("tool.json", r#"{"tags": ["money", "eu"], "default": "allowed"}"#);
    for command in [
        &["rules", "put", &name, &rule][..],
        &["policy", "tools", "put", &name, &tool],
        &["agents", "create", "bot", "--description", &name, "--tenant", &name],
    ] {
        plane.done(command);
    }
    for command in [
        &["rules", "list"][..],
        &["policy", "tools", "list"],
        &["policy", "revisions"],
        &["keys", "list"],
        &["agents", "list"],
        &["activity"],
    ] {
        for columns in [80, 48] {
            let (status, screen) = plane.in_terminal(columns, command).end();
            assert_eq!(status, 0, "{screen}");
            let longest = screen.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
            assert!(longest <= usize::from(columns), "{command:?}: {longest} of {columns}\n{screen}");
        }
    }
}
