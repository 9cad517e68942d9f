//! A policy that comes as a signed bundle from a real web server over TLS.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Authority, Backend, Gate, GateOptions, oakgate, wait_for};

/// A signer and the web server of what it signs.
struct Publisher {
    folder: TempDir,
    server: Backend,
    tools: Backend,
}

impl Publisher {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let authority = Authority::new("bundles");
        std::fs::write(path("ca.pem"), authority.pem()).unwrap();
        authority.issue(&["localhost"]).write(folder.path(), "server");
        let public = done(&["keys", "policy", text(&path("policy-key"))]);
        std::fs::write(path("policy-keys"), public).unwrap();
        std::fs::create_dir(path("served")).unwrap();
        let server = Self::serve(folder.path(), "0");
        Self { folder, server, tools: Backend::raw(&[]) }
    }

    fn serve(folder: &Path, port: &str) -> Backend {
        let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
        let tls = ["--certificate", text(&certificate), "--private-key", text(&key), "--port", port];
        Backend::files(&folder.join("served"), &tls)
    }

    /// Begins to serve again where it did before.
    fn serve_again(&mut self) {
        self.server = Self::serve(self.folder.path(), self.server.port());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn served(&self) -> PathBuf {
        self.path("served/policy.signed")
    }

    /// Signs what `raw` may do, and serves it.
    fn publish(&self, permission: &str, revision: u64) {
        self.sign(permission, &["--revision", &revision.to_string()], "policy-key");
    }

    fn sign(&self, permission: &str, which: &[&str], key: &str) {
        let policy = self.path("policy.yaml");
        std::fs::write(&policy, policy_of(permission)).unwrap();
        let (key, served) = (self.path(key), self.served());
        let command = ["policy", "sign", text(&policy), "--key", text(&key), "--to", text(&served)];
        done(&[&command[..], which].concat());
    }

    /// A proxy that takes its policy from here.
    fn follow(&self, more: &str) -> Gate {
        let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", self.tools.url);
        let folder = Gate::folder(&GateOptions {
            backends,
            proxy: "limits: {max_document_bytes: 65536}",
            ..GateOptions::default()
        });
        let (keys, ca) = (self.path("policy-keys"), self.path("ca.pem"));
        let bundle = format!(
            "policy: {{bundle: {{url: 'https://localhost:{}/policy.signed', key_file: {}, ca_file: {}, \
             state_directory: state, poll_seconds: 1}}{more}}}",
            self.server.port(),
            text(&keys),
            text(&ca)
        );
        let settings = folder.path().join("oakgate.yaml");
        let written = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(settings, written.replace("policy: {file: policy.yaml}", &bundle)).unwrap();
        Gate::start_in(folder, false)
    }
}

/// A policy in which `raw` may do that, and `look` changes nothing.
fn policy_of(permission: &str) -> String {
    format!(
        "format: 1\norg: acme\ntools:\n  - {{name: raw, default: {permission}}}\n  - {{name: look, default: allowed, \
         annotations: {{read_only: true}}}}\n"
    )
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let (status, output, errors) = oakgate(arguments, "");
    assert_eq!(status, 0, "{arguments:?}: {output}{errors}");
    output
}

/// What becomes of a call: `ok`, or the name of the refusal.
fn call(gate: &Gate, tool: &str) -> String {
    let answer = gate.post(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    ));
    let result = &answer.json()["result"];
    match (&result["isError"], &result["_meta"]["oakgate.dev/verdict"]["reason"]) {
        (Value::Bool(false), _) => "ok".to_owned(),
        (_, Value::String(reason)) => reason.clone(),
        _ => answer.text(),
    }
}

fn wait_for_call(gate: &Gate, tool: &str, expected: &str) {
    let mut last = String::new();
    for _ in 0..600 {
        last = call(gate, tool);
        if last.contains(expected) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{tool}: {last}, not {expected}");
}

fn fetches(gate: &Gate, result: &str) -> f64 {
    gate.metric(&format!("oakgate_bundle_fetches_total{{result=\"{result}\"}}"))
}

fn outcomes(gate: &Gate, outcome: &str) -> f64 {
    gate.metric(&format!("oakgate_documents_total{{outcome=\"{outcome}\",subject=\"policy\"}}"))
}

fn report(gate: &Gate) -> Value {
    gate.admin("/readyz").json()["bundle"].clone()
}

#[test]
fn a_new_bundle_is_in_force_and_the_last_known_good_outlives_its_server() {
    let mut publisher = Publisher::new();
    let gate = publisher.follow("");
    // Nothing was ever there: nobody can say.
    assert_eq!(gate.admin("/readyz").status, 503);
    assert_eq!(call(&gate, "raw"), "no-policy");
    wait_for("a file that is not there", || (fetches(&gate, "status") > 0.0).then_some(()));
    publisher.publish("allowed", 1);
    wait_for_call(&gate, "raw", "ok");
    wait_for("what has not changed", || (fetches(&gate, "unchanged") > 0.0).then_some(()));
    assert_eq!((&report(&gate)["revision"], &report(&gate)["source"]), (&1.into(), &"bundle".into()));
    publisher.sign("disabled", &["--after", text(&publisher.served())], "policy-key");
    wait_for_call(&gate, "raw", "Unknown tool");
    assert_eq!(report(&gate)["revision"], 2);

    publisher.server.stop();
    wait_for("a server that is down", || (fetches(&gate, "unreachable") > 0.0).then_some(()));
    assert!(call(&gate, "raw").contains("Unknown tool") && call(&gate, "look") == "ok");
    let Gate { program, folder, .. } = gate;
    program.signal("-KILL");
    drop(program);
    let gate = Gate::start_in(folder, false);
    assert!(call(&gate, "raw").contains("Unknown tool") && call(&gate, "look") == "ok");
    assert_eq!(report(&gate)["source"], "last known good");
    assert_eq!(gate.admin("/readyz").status, 200);
    publisher.publish("allowed", 3);
    publisher.serve_again();
    wait_for_call(&gate, "raw", "ok");
}

#[test]
fn what_is_not_newer_and_signed_changes_nothing() {
    let publisher = Publisher::new();
    publisher.publish("allowed", 5);
    let gate = publisher.follow("");
    wait_for_call(&gate, "raw", "ok");
    let good = std::fs::read_to_string(publisher.served()).unwrap();
    let other = publisher.path("other-key");
    done(&["keys", "policy", text(&other)]);
    let replace = |bytes: &[u8]| {
        let new = publisher.path("served/new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(new, publisher.served()).unwrap();
    };
    let wrong: [(&str, &dyn Fn()); 7] = [
        ("not_newer", &|| publisher.publish("disabled", 4)),
        ("not_newer", &|| publisher.publish("disabled", 5)),
        ("signature", &|| publisher.sign("disabled", &["--revision", "9"], "other-key")),
        ("bundle", &|| replace(&good.as_bytes()[..good.len() / 2])),
        ("bundle", &|| replace(b"{}")),
        ("text", &|| replace(good.replace("allowed", "disabled").as_bytes())),
        ("too_long", &|| replace(&vec![b' '; 1 << 20])),
    ];
    for (outcome, publish) in wrong {
        let before = outcomes(&gate, outcome);
        publish();
        wait_for(outcome, || (outcomes(&gate, outcome) > before).then_some(()));
        assert_eq!(call(&gate, "raw"), "ok", "{outcome}");
        assert!(report(&gate)["refused"].is_string(), "{outcome}: {}", report(&gate));
        assert_eq!(report(&gate)["revision"], 5, "{outcome}");
    }
    publisher.publish("disabled", 6);
    wait_for_call(&gate, "raw", "Unknown tool");
    assert!(report(&gate)["refused"].is_null());
    // A server without the right to its name.
    std::fs::write(publisher.path("ca.pem"), Authority::new("another").pem()).unwrap();
    wait_for("TLS that fails", || (fetches(&gate, "tls") > 0.0).then_some(()));
    assert_eq!(call(&gate, "look"), "ok");
}

#[test]
fn a_policy_that_nobody_confirms_lets_less_and_less_through() {
    let mut publisher = Publisher::new();
    publisher.publish("allowed", 1);
    let ages = ", max_policy_age: {destructive_seconds: 3, additive_seconds: 3, read_only_seconds: 3600}";
    let gate = publisher.follow(ages);
    wait_for_call(&gate, "raw", "ok");
    publisher.server.stop();
    wait_for_call(&gate, "raw", "policy-too-old");
    assert_eq!(call(&gate, "look"), "ok");
    assert_eq!(gate.admin("/readyz").status, 200);
    let too_old = |class: &str| gate.metric(&format!("oakgate_policy_too_old{{class=\"{class}\"}}"));
    wait_for("the metric", || (too_old("destructive") == 1.0).then_some(()));
    assert_eq!(too_old("read_only"), 0.0);
    publisher.serve_again();
    wait_for_call(&gate, "raw", "ok");
}

#[test]
fn bundles_are_signed_and_verified_by_hand() {
    let publisher = Publisher::new();
    publisher.publish("allowed", 7);
    let (served, keys) = (publisher.served(), publisher.path("policy-keys"));
    let verify = ["policy", "verify", text(&served), "--key-file", text(&keys)];
    let said = done(&verify);
    assert!(said.contains("policy.signed: good\n") && said.contains("revision  7\n"), "{said}");
    let said: Value = serde_json::from_str(&done(&[&verify[..], &["--json"]].concat())).unwrap();
    assert_eq!((&said["org"], &said["revision"], &said["tools"]), (&"acme".into(), &7.into(), &2.into()));
    let tampered = std::fs::read_to_string(&served).unwrap().replace("allowed", "disabled");
    let bad = publisher.path("bad");
    std::fs::write(&bad, tampered).unwrap();
    let (policy, key) = (publisher.path("policy.yaml"), publisher.path("policy-key"));
    let sign = ["policy", "sign", text(&policy), "--key", text(&key)];
    let wrong = publisher.path("wrong.yaml");
    std::fs::write(&wrong, "format: 1\norg: acme\nrules: [{id: a, permission: no}]\n").unwrap();
    for (arguments, says) in [
        (vec!["policy", "verify", text(&bad), "--key-file", text(&keys)], "bad: "),
        (vec!["policy", "verify", text(&served), "--key-file", text(&key)], "policy-key"),
        (sign.to_vec(), "--revision"),
        ([&sign[..], &["--revision", "0"]].concat(), "--revision"),
        ([&sign[..], &["--after", text(&bad)]].concat(), "bad: "),
        (vec!["policy", "sign", text(&wrong), "--key", text(&key), "--revision", "8"], "rule `a`"),
    ] {
        let (status, output, errors) = oakgate(&arguments, "");
        assert!(status != 0 && output.is_empty(), "{arguments:?}: {output}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
    }
}
