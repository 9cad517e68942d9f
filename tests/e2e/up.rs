//! `oakgate up` as a newcomer meets it: what is on the screen works when it is pasted.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Client, Gate, oakgate_command, wait_for};

/// Files that only their owner may read.
const SECRETS: [&str; 4] = ["oakgate.policy-key", "receipts.jwks", "session", "management-key"];

fn up(folder: tempfile::TempDir) -> Gate {
    let mut command = oakgate_command();
    command.arg("up").arg("--data").arg(folder.path().join("data"));
    for address in ["--listen", "--admin", "--control-plane"] {
        command.args([address, "127.0.0.1:0"]);
    }
    Gate::started(&mut command, folder, true)
}

/// The commands on the screen, those that go over several lines in one piece.
fn commands(screen: &[String]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut open = false;
    for line in screen {
        let starts = line.starts_with("curl ")
            || [" approvals ", " policy push ", "Proxies "].iter().any(|words| line.contains(words));
        match commands.last_mut() {
            Some(last) if open => last.push_str(&format!("\n{line}")),
            _ if starts => commands.push(line.trim_start_matches("Proxies ").to_owned()),
            _ => continue,
        }
        let last = commands.last().unwrap();
        open = last.ends_with('\\') || last.matches('\'').count() % 2 == 1;
    }
    commands
}

fn paste(command: &str, key: &str) -> String {
    let output = Command::new("bash").arg("-c").arg(command).env("OAKGATE_KEY", key).output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_screen_leads_through_all_three_verdicts() {
    let mut gate = up(tempfile::tempdir().unwrap());
    let key = gate
        .program
        .wait_for_output("the key", |line| line.strip_prefix("export OAKGATE_KEY=").map(str::to_owned));
    wait_for("the whole screen", || {
        gate.program.output().iter().any(|line| line.starts_with("Stop")).then_some(())
    });
    let commands = commands(&gate.program.output());
    let find = |words: &[&str]| {
        let fits = |command: &&String| words.iter().all(|word| command.contains(word));
        commands.iter().find(fits).unwrap_or_else(|| panic!("{words:?} in {commands:#?}")).clone()
    };
    let allowed = paste(&find(&["read_note"]), &key);
    assert!(allowed.contains("Policy let you read this."), "{allowed}");
    assert_eq!(paste(&find(&["orders/1001", "curl -s http"]), &key), r#"{"order":"1001","paid_cents":4990}"#);
    assert!(paste(&find(&["delete_all_notes"]), &key).contains("Unknown tool"));
    assert!(paste(&find(&["DELETE"]), &key).contains("Not executed: policy does not allow it"));
    let refund = find(&["refunds"]);
    assert!(paste(&refund, &key).contains("refunded_cents"));
    // How links are is stored once a second.
    let proxies = find(&["proxies list"]);
    wait_for("the link of the proxy", || paste(&proxies, "").contains("connected").then_some(()));
    let file = gate.path("data/policy.yaml");
    let policy = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, policy.replace("args.cents <= 1000", "args.cents <= 100")).unwrap();
    let pushed = paste(&(find(&["policy push"]) + " --yes"), "");
    assert!(pushed.contains("revision 2 is in force"), "{pushed}");
    wait_for("the new policy", || (gate.metric("oakgate_policy_revision") >= 2.0).then_some(()));
    let write = find(&["write_note"]);
    let held = std::thread::spawn(move || paste(&write, &key));
    let list = find(&["approvals list"]);
    let reference = wait_for("the approval", || {
        let output = paste(&list, "");
        output.split_whitespace().find(|word| word.starts_with("REF-")).map(str::to_owned)
    });
    let approved = paste(&find(&["approvals approve"]).replace("REF-XXXXXXXX-XXXX", &reference), "");
    assert!(approved.contains("approved"), "{approved}");
    let output = held.join().unwrap();
    assert!(output.contains("wrote `todo`"), "{output}");
}

#[test]
fn a_second_start_keeps_what_the_first_one_made() {
    let mut gate = up(tempfile::tempdir().unwrap());
    let key = gate
        .program
        .wait_for_output("the key", |line| line.strip_prefix("export OAKGATE_KEY=").map(str::to_owned));
    let secret = |gate: &Gate, name: &str| std::fs::read(gate.path(&format!("data/{name}"))).unwrap();
    let before = SECRETS.map(|name| secret(&gate, name));
    let Gate { program, folder, .. } = gate;
    program.signal("-TERM");
    drop(program);
    let gate = up(folder);
    assert_eq!(SECRETS.map(|name| secret(&gate, name)), before);
    wait_for("the whole screen", || {
        gate.program.output().iter().any(|line| line.starts_with("Stop")).then_some(())
    });
    assert!(!gate.program.output().join("\n").contains(&key), "the key is shown once");
    for name in SECRETS {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(gate.path(&format!("data/{name}"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is for this user only");
    }
    let lines = run_demo(&gate, &key);
    assert_eq!(lines[1]["tools"], json!(["read_note", "write_note"]));
}

fn run_demo(gate: &Gate, key: &str) -> Vec<Value> {
    let client = Client::all()[0];
    client.run_with_key(gate, "/mcp/notes", key, &json!([{"do": "list"}]))
}
