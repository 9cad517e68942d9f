//! Joining by the one line that the control plane prints.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Database, Follower, Gate, oakgate, oakgate_command, wait_for};

use super::setup::{DISABLED, Setup};

/// The settings of a proxy that names no control plane, as `oakgate.yaml` of a folder.
fn alone(setup: &Setup) -> TempDir {
    let folder = setup.following("127.0.0.1:1", "").folder("another-name");
    let file = folder.path().join("oakgate.yaml");
    let mut settings: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    settings["proxy"].as_object_mut().unwrap().remove("control_plane");
    std::fs::write(file, settings.to_string()).unwrap();
    folder
}

/// What `proxies add` or the like prints, taken apart: the variable's value, and the command after it.
fn printed(line: &str) -> (String, String) {
    let (join, command) = line.trim_end().strip_prefix("OAKGATE_JOIN=").unwrap().split_once(' ').unwrap();
    (join.to_owned(), command.to_owned())
}

/// `oakgate proxy …` in a folder.
fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = oakgate_command();
    command.arg("proxy").args(arguments).current_dir(folder.path());
    command
}

#[test]
fn one_line_joins_a_proxy() {
    let setup = Setup::new(Database::sqlite());
    let (join, pasted) = printed(&setup.control.command(&["proxies", "add", "gate-1"]));
    assert_eq!(pasted, "oakgate proxy");
    let folder = alone(&setup);
    let gate = Gate::started(command(&folder, &[]).env("OAKGATE_JOIN", &join), folder, false);
    let follower = Follower::of(gate, &setup.key);
    follower.wait_until_ready();
    follower.caller.wait_for("read_note", Ok(()));
    assert_eq!(follower.caller.call("probe"), Err(DISABLED.to_owned()));
    wait_for("the proxy in the list", || {
        setup.control.command(&["proxies", "list"]).contains("gate-1  good   connected").then_some(())
    });
    setup.control.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    assert!(follower.gate.path("gate-1.state").is_dir());

    // Another line, from a file, in place of the first one.
    let file = follower.gate.path("gate-1.join");
    let file = file.to_str().unwrap();
    setup.control.command(&["proxies", "rotate", "gate-1", "--overlap-seconds", "0", "--to", file]);
    follower.wait_until_down("the relay token");
    let Gate { program, folder, .. } = follower.gate;
    drop(program);
    let gate = Gate::started(&mut command(&folder, &["--join-file", "gate-1.join"]), folder, false);
    let follower = Follower::of(gate, &setup.key);
    assert_eq!(follower.caller.call("probe"), Ok(()), "it begins with the last known good");
    follower.wait_for_link("up");
}

#[test]
fn what_is_wrong_with_a_line_or_its_settings_is_told() {
    let setup = Setup::new(Database::sqlite());
    let (join, _) = printed(&setup.control.command(&["proxies", "add", "gate-1"]));
    let folder = alone(&setup);
    let settings = |name: &str, more: &str| {
        let text = std::fs::read_to_string(folder.path().join("oakgate.yaml")).unwrap();
        let text = text.replacen("{\"proxy\":{", &format!("{{\"proxy\":{{{more}"), 1);
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    let link = r#""control_plane":{"url":"ws://127.0.0.1:1/v1/sync","relay_token_file":"relay-token",
        "policy_key_file":"policy-keys","state_directory":"state"},"#;
    settings("linked.yaml", link);
    std::fs::write(folder.path().join("empty.join"), "\n").unwrap();
    let (cut, _) = join.split_at(join.len() - 9);
    for (arguments, says) in [
        (&["--join", cut][..], "the join line is damaged"),
        (&["--join", "oak_proxy_x"], "not a join line"),
        (&["--join-file", "empty.join"], "not a join line"),
        (&["--join-file", "none.join"], "none.join: can't be read"),
        (&["--join", &join, "--config", "linked.yaml"], "leave one of the two out"),
        (&["--join", &join, "--config", "none.yaml"], "`oakgate proxy --help` shows the least"),
        (&["--ca-file", "ca.pem", "--config", "linked.yaml"], "--ca-file goes with a join line"),
        (&[], "there is no `control_plane` that it comes from"),
    ] {
        let output = command(&folder, arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && errors.contains(says), "{arguments:?}: {errors}");
        assert!(!errors.contains(cut), "the secret is not repeated: {errors}");
    }
    assert!(oakgate(&["proxy", "--help"], "").1.contains("OAKGATE_JOIN="));
}
